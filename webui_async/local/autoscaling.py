"""Application Auto Scaling for the endpoints of this machine: capacities follow what is registered.

Once a period it publishes each endpoint's metrics, reads what is registered with the control plane, and asks
for the capacity that contract/scaling.py says. What an endpoint has no policy for does not happen.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from webui_async.contract.errors import UnknownScaling
from webui_async.contract.scaling import (
    BACKLOG_PER_INSTANCE,
    HAS_BACKLOG_WITHOUT_CAPACITY,
    PERIOD_S,
    Change,
    Point,
    Scaler,
    Scaling,
)
from webui_async.contract.times import to_iso
from webui_async.deploy.scaling_calls import DIMENSION, NAMESPACE, SERVICE, read_scaling
from webui_async.local.execution_role import Account

logger = logging.getLogger(__name__)

#: The third of SageMaker's metrics that is told here; no policy looks at it.
_BACKLOG = "ApproximateBacklogSize"
_VARIANTS = {"ServiceNamespace": SERVICE, "ScalableDimension": DIMENSION}


@dataclass(frozen=True)
class Load:
    """One endpoint at the end of a period."""

    endpoint: str
    created_at: datetime  #: another one of the same name begins anew
    variant: str
    backlog: int  #: jobs queued and in hand
    instances: int  #: in service


class Autoscaler:
    """Decides once a period. `run` it in the hosting's loop, or call `scale` as a test does."""

    def __init__(self, account: Account, speed: float, log: Path, now: Callable[[], float] = time.time):
        """speed: how many times faster than AWS's clock a period passes. log: gets a line for each change."""
        self._sagemaker = account.client("sagemaker")
        self._autoscaling = account.client("application-autoscaling")
        self._cloudwatch = account.client("cloudwatch")
        self._period_s, self._log, self._now = PERIOD_S / speed, log, now
        self._scalers: dict[tuple[str, datetime], Scaler] = {}
        self._changes: defaultdict[str, list[Change]] = defaultdict(list)
        self._said: set[str] = set()

    def changes(self, endpoint: str) -> list[Change]:
        """Everything that policies did to endpoints of that name, oldest first."""
        return list(self._changes[endpoint])

    async def run(self, loads: Callable[[], Sequence[Load]], on_change: Callable[[], None]) -> None:
        """One look at the end of every period, for ever. A period that a slow machine missed has no point."""
        started, period = time.monotonic(), 0
        while True:
            period = max(period + 1, int((time.monotonic() - started) / self._period_s))
            await asyncio.sleep(started + period * self._period_s - time.monotonic())
            if await asyncio.to_thread(self.scale, period * PERIOD_S, loads()):
                on_change()

    def scale(self, at_s: float, loads: Sequence[Load]) -> bool:
        """One period's end; whether a capacity was changed.

        at_s: the end, in seconds of AWS's clock since some beginning.
        """
        try:
            for load in loads:
                self._publish(load)
            found = [self._observe(load, scaling, at_s) for load, scaling in self._registered(loads)]
        except (ClientError, BotoCoreError) as error:
            self._say_once(f"nothing can be scaled: {error}")
            return False
        return any(found)

    def _publish(self, load: Load) -> None:
        """SageMaker's own metrics. moto takes them, though AWS lets nobody else write to its namespaces."""
        point = Point(0, load.backlog, load.instances)
        values = {
            _BACKLOG: point.backlog,
            BACKLOG_PER_INSTANCE: point.backlog_per_instance,
            HAS_BACKLOG_WITHOUT_CAPACITY: point.has_backlog_without_capacity,
        }
        dimensions = [{"Name": "EndpointName", "Value": load.endpoint}]
        self._cloudwatch.put_metric_data(
            Namespace=NAMESPACE,
            MetricData=[
                {"MetricName": name, "Dimensions": dimensions, "Value": float(value)}
                for name, value in values.items()
            ],
        )

    def _registered(self, loads: Sequence[Load]) -> list[tuple[Load, Scaling]]:
        """The endpoints that are scalable targets, each with what is registered for it."""
        targets = self._all(self._autoscaling, "describe_scalable_targets", "ScalableTargets", **_VARIANTS)
        policies, alarms = [], []
        if targets:
            policies = self._all(
                self._autoscaling, "describe_scaling_policies", "ScalingPolicies", **_VARIANTS
            )
            alarms = self._all(self._cloudwatch, "describe_alarms", "MetricAlarms")
        found = []
        for load in loads:
            try:
                scaling = read_scaling(targets, policies, alarms, load.endpoint, load.variant)
            except UnknownScaling as error:
                self._say_once(f"endpoint {load.endpoint} is not scaled: {error}")
                continue
            if scaling is not None:
                found.append((load, scaling))
        return found

    @staticmethod
    def _all(client: Any, operation: str, member: str, **parameters: str) -> list[dict[str, Any]]:
        pages = client.get_paginator(operation).paginate(**parameters)
        return [item for page in pages for item in page[member]]

    def _observe(self, load: Load, scaling: Scaling, at_s: float) -> bool:
        key = load.endpoint, load.created_at
        if key not in self._scalers or self._scalers[key].scaling != scaling:
            self._scalers[key] = Scaler(scaling)
        endpoint = self._sagemaker.describe_endpoint(EndpointName=load.endpoint)
        counts = {
            variant["VariantName"]: variant["DesiredInstanceCount"]
            for variant in endpoint.get("ProductionVariants", ())
        }
        change = self._scalers[key].observe(
            Point(at_s, load.backlog, load.instances),
            counts.get(load.variant, 0),
            is_updating=endpoint["EndpointStatus"] != "InService",
        )
        return change is not None and self._obey(load, change)

    def _obey(self, load: Load, change: Change) -> bool:
        what = (
            f"endpoint {load.endpoint}: {change.before} -> {change.after} by {change.policy}: {change.reason}"
        )
        try:
            self._sagemaker.update_endpoint_weights_and_capacities(
                EndpointName=load.endpoint,
                DesiredWeightsAndCapacities=[
                    {"VariantName": load.variant, "DesiredInstanceCount": change.after}
                ],
            )
        except ClientError as error:
            self._say(f"{what}; refused: {error}", logging.WARNING)
            return False
        self._changes[load.endpoint].append(change)
        self._say(what)
        return True

    def _say(self, text: str, level: int = logging.INFO) -> None:
        logger.log(level, text)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a") as log:
            log.write(f"{to_iso(self._now())} {text}\n")

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text, logging.WARNING)
