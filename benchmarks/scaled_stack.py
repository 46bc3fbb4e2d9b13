"""A local stack that goes from zero to two and back by registered policies, on a clock that runs faster.

What is seen there is told in seconds of AWS's clock. Invocations are direct ones: they pass the queue, the
container and its scheduler, and no function of the template takes a part of the machine.
"""

from __future__ import annotations

import json
import shlex
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import engine_log
from benchmarks.figures import percentile
from webui_async.contract.scaling import PERIOD_S, Scaling
from webui_async.contract.settings import ServeSettings
from webui_async.deploy.scaling_calls import scaling_requests
from webui_async.local.instance import Health
from webui_async.local.stack import ENDPOINT, Options, Stack
from webui_async.simulate.traffic import Arrival

SPEED = 40.0
DRAWING_S = 30.0
VARIANT = "gpu"
ENGINE = engine_log.ENGINE.with_name("slow_start.py")
#: After the start of its container, however busy the machine is: a little of SPEED seconds is much of a wait.
#: With what comes after it, instances are in service in the middle of a period. Whether one comes just before
#: or just after a period's end is chance, on AWS too, and worth a whole period.
_ENGINE_READY_S = 230.0
_PAYLOAD = {"seed": 1, "steps": 1, "width": 64, "height": 64}
_SINGLES = 5
#: Real seconds after which something went wrong.
_PATIENCE_S = 300.0


@dataclass(frozen=True)
class Timings:
    """What the simulator is told of this machine, in seconds of AWS's clock."""

    cold_start_s: float
    pickup_s: float
    overhead_s: float


@dataclass(frozen=True)
class Observed:
    """What came of one trace, in seconds of AWS's clock."""

    waits_s: list[float]
    instance_seconds: float


@dataclass
class _Seen:
    """When an instance was seen first, in service and last; seconds since 1970."""

    launched: float
    in_service: float | None = None
    last: float = 0.0


class ScaledStack:
    """What a bench holds in its hands."""

    def __init__(self, stack: Stack, log: Path):
        self._stack, self._log = stack, log
        self._runtime = stack.runtime_client()
        self._instances: dict[str, _Seen] = {}
        self._zero_since = 0.0
        self._epoch = 0.0  # the autoscaler's zero of time, by when the effect of a change was seen

    def register(self, scaling: Scaling) -> None:
        """The policies are registered, as `webui-async endpoint apply` does it."""
        autoscaling = self._stack.cloud.client("application-autoscaling")
        cloudwatch = self._stack.cloud.client("cloudwatch")
        requests = scaling_requests(scaling, ENDPOINT, VARIANT)
        autoscaling.register_scalable_target(**requests.target)
        for policy in requests.policies:
            arn = autoscaling.put_scaling_policy(**policy)["PolicyARN"]
            for alarm in requests.alarms_of(policy["PolicyName"], arn):
                cloudwatch.put_metric_alarm(**alarm)

    def go_to_zero(self) -> None:
        """No instance is left."""
        self._stack.hosting.set_capacity(ENDPOINT, 0)
        self._wait_empty()

    def measure(self) -> Timings:
        """One job from zero, some for an idle instance, and as many at once as it takes in hand."""
        self._wait_drawn(self._send(["from zero"]))
        (seen,) = [seen for seen in self._instances.values() if seen.launched > self._zero_since]
        assert seen.in_service is not None
        self._epoch = seen.launched - self._stack.hosting.changes(ENDPOINT)[-1].at_s / SPEED
        singles: dict[str, float] = {}
        for number in range(_SINGLES):
            sent = self._send([f"single {number}"])
            self._wait_drawn(sent)
            singles |= sent
        together = self._send([f"together {number}" for number in range(ServeSettings.max_jobs)])
        self._wait_drawn(together)
        self.go_to_zero()
        drawings = engine_log.drawings(self._log)
        pickups = [drawings[prompt].start - at for prompt, at in singles.items()]
        starts = sorted(drawings[prompt].start for prompt in together)
        return Timings(
            cold_start_s=SPEED * (seen.in_service - seen.launched),
            pickup_s=SPEED * percentile(pickups, 50),
            overhead_s=max(0.0, SPEED * (starts[-1] - starts[0]) / (len(starts) - 1) - DRAWING_S),
        )

    def play(self, name: str, arrivals: Sequence[Arrival], first_period_s: float) -> Observed:
        """Send the arrivals at their times and wait until all are drawn and the endpoint is at zero.

        first_period_s: how long before the first end of a period the trace begins.
        """
        began = self._begin(first_period_s)
        sent: dict[str, float] = {}
        for number, arrival in enumerate(arrivals):
            time.sleep(max(0.0, began + arrival.at_s / SPEED - time.time()))
            sent |= self._send([f"{name} {number}"])
        self._wait_drawn(sent)
        self._wait_empty()
        drawings = engine_log.drawings(self._log)
        lives = [seen for seen in self._instances.values() if seen.launched > began]
        return Observed(
            [SPEED * (drawings[prompt].start - at) for prompt, at in sent.items()],
            SPEED * sum(seen.last - seen.launched for seen in lives),
        )

    def watch(self, is_over: threading.Event) -> None:
        """Note when instances come and go. Run it beside the others."""
        while not is_over.wait(0.01):
            now = time.time()
            for view in self._stack.hosting.instances(ENDPOINT):
                seen = self._instances.setdefault(view.id, _Seen(now))
                seen.last = now
                if view.health is Health.IN_SERVICE and seen.in_service is None:
                    seen.in_service = now

    def _begin(self, first_period_s: float) -> float:
        """The time at which a trace begins, some periods from now."""
        period, into = PERIOD_S / SPEED, (PERIOD_S - first_period_s) / SPEED
        periods = int((time.time() - self._epoch) / period) + 2
        return self._epoch + periods * period + into

    def _send(self, prompts: Iterable[str]) -> dict[str, float]:
        """prompt -> when it was sent, seconds since 1970."""
        sent = {}
        for prompt in prompts:
            body = {"kind": "txt2img", "payload": _PAYLOAD | {"prompt": prompt}}
            sent[prompt] = time.time()
            self._runtime.invoke_endpoint_async(
                EndpointName=ENDPOINT, Body=json.dumps(body).encode(), ContentType="application/json"
            )
        return sent

    def _wait_drawn(self, prompts: Iterable[str]) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while missing := set(prompts) - engine_log.drawings(self._log).keys():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(missing)} jobs were not drawn, among them {min(missing)!r}")
            time.sleep(0.1)

    def _wait_empty(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while self._stack.hosting.instances(ENDPOINT):
            if time.monotonic() > deadline:
                raise RuntimeError("the endpoint did not go back to zero")
            time.sleep(0.02)
        self._zero_since = time.time()


@contextmanager
def open_scaled_stack(folder: Path, scaling: Scaling) -> Iterator[ScaledStack]:
    """A stack at zero."""
    log = folder / "drawings.jsonl"
    delays = ["--delay", str(DRAWING_S / SPEED), "--start-delay", str(_ENGINE_READY_S / SPEED)]
    words = [sys.executable, str(ENGINE), *delays, "--since-parent", "--log", str(log)]
    command = shlex.join(words) + " --port {port} --data-dir {data_dir}"
    is_over = threading.Event()
    options = Options(folder / "stack", engine_command=command, scaling_speed=SPEED)
    with Stack(options) as stack:
        stack.wait_ready()
        scaled = ScaledStack(stack, log)
        watching = threading.Thread(target=scaled.watch, args=(is_over,))
        watching.start()
        try:
            scaled.go_to_zero()
            scaled.register(scaling)
            yield scaled
        finally:
            is_over.set()
            watching.join()
