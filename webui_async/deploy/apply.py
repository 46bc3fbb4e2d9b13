"""Makes what a plan says: call by call, waiting where SageMaker takes its time.

Breaking it off anywhere loses nothing: the next plan is made from what is there then, and goes on from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webui_async.contract.errors import EndpointFailed, UpdateRolledBack
from webui_async.deploy import logs
from webui_async.deploy.calls import DELETE, Call
from webui_async.deploy.clients import Clients
from webui_async.deploy.making import Clock, Maker, Say, settle
from webui_async.deploy.plan import Plan
from webui_async.deploy.scaling_plan import AUTOSCALING, CLOUDWATCH

#: Looks at an endpoint after which a status that does not show an update yet is believed.
_STALE_LOOKS = 3
#: Statuses from which SageMaker does not come back by itself.
_LOST = ("Failed", "UpdateRollbackFailed")


@dataclass
class Applying:
    """One run of a plan."""

    aws: Clients
    say: Say
    clock: Clock
    wait: bool = True  #: for creations and updates; without, the run ends there and the next one goes on

    def run(self, plan: Plan) -> bool:
        """True when all is made; False when the rest has to wait for SageMaker, and `wait` says not to.

        Raises EndpointFailed, UpdateRolledBack, WaitedTooLong, and what AWS refuses.
        """
        maker = Maker(self.aws, self.clock)
        for number, call in enumerate(plan.calls):
            started = self.clock.now()
            self.say(f"{call.verb} {call.sentence}")
            maker.make(call)
            rest = plan.calls[number + 1 :]
            if call.operation == "DeleteEndpoint":
                settle(self.aws, plan.name, plan.settle_s, self.clock, self.say, lambda _: False)
            elif call.operation in ("CreateEndpoint", "UpdateEndpoint"):
                if not self.wait:
                    self.say(f"{len(rest)} calls are left: run apply again once the endpoint is InService")
                    return not rest
                self._follow(plan, call, started, maker, rest)
        return True

    def _follow(self, plan: Plan, call: Call, started: float, maker: Maker, rest: tuple[Call, ...]) -> None:
        """Until the endpoint has the plan's configuration."""
        looks = 0

        def is_at_rest(described: Mapping[str, Any]) -> bool:
            nonlocal looks
            looks += 1
            is_over = described["EndpointStatus"] in _LOST or looks > _STALE_LOOKS
            return is_over or _has_arrived(plan, described)

        described = settle(self.aws, plan.name, plan.settle_s, self.clock, self.say, is_at_rest) or {}
        if _has_arrived(plan, described):
            self.say(f"endpoint {plan.name} is InService after {self.clock.now() - started:.0f} s")
            return
        reason = described.get("FailureReason") or "SageMaker gives no reason"
        lines = logs.told_lines(logs.last_lines(self.aws, plan.name, started), plan.name)
        if call.operation == "CreateEndpoint" or described.get("EndpointStatus") in _LOST:
            raise EndpointFailed(
                f"endpoint {plan.name!r} does not come up: {reason}. Mend that and run apply again, which "
                f"makes it anew. {lines}"
            )
        self._undo(plan, maker, rest)
        raise UpdateRolledBack(
            f"the update of endpoint {plan.name!r} failed, and it goes on as it was: {reason}. Mend that and "
            f"run apply again. {lines}"
        )

    def _undo(self, plan: Plan, maker: Maker, rest: tuple[Call, ...]) -> None:
        """The endpoint that goes on is scaled as it is to be, and nothing of the failed update is left."""
        scaling = [each for each in rest if each.service in (AUTOSCALING, CLOUDWATCH) and each.verb != DELETE]
        for call in (*scaling, *plan.undo):
            self.say(f"{call.verb} {call.sentence}")
            maker.make(call)


def _has_arrived(plan: Plan, described: Mapping[str, Any]) -> bool:
    """SageMaker may go back to InService with the former configuration, and without a FailureReason.

    Source: hashicorp/terraform-provider-aws issue 48997.
    """
    status, config = described.get("EndpointStatus"), described.get("EndpointConfigName")
    return status == "InService" and config == plan.config
