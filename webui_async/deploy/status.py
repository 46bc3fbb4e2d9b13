"""How an endpoint is: what runs, what waits, what is registered, what went wrong last. Nothing is changed."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from webui_async.contract.errors import EndpointMissing
from webui_async.contract.scaling import BACKLOG_PER_INSTANCE, HAS_BACKLOG_WITHOUT_CAPACITY, PERIOD_S, Scaling
from webui_async.deploy import names
from webui_async.deploy.aws_errors import told
from webui_async.deploy.clients import Clients
from webui_async.deploy.described import EndpointFacts, Held, describe_held
from webui_async.deploy.looked import Looked, looked
from webui_async.deploy.scaling_calls import NAMESPACE, SERVICE
from webui_async.deploy.scaling_plan import foreign_policies, registered_scaling

#: What is shown, in this order. Source: SageMaker developer guide, "Monitoring asynchronous endpoint".
METRICS = (
    "ApproximateBacklogSize",
    BACKLOG_PER_INSTANCE,
    "ApproximateAgeOfOldestRequest",
    HAS_BACKLOG_WITHOUT_CAPACITY,
)
#: A metric's newest point may be that old.
_LOOK_BACK_S = 600.0


@dataclass(frozen=True)
class Status:
    """One endpoint at one moment."""

    held: Held
    endpoint: EndpointFacts
    metrics: Looked[Mapping[str, float]]  #: the newest points; what is not there was not published
    activity: Looked[Mapping[str, Any]]  #: the newest scaling activity; {} when there was none

    @property
    def scaling(self) -> Scaling | None:
        return registered_scaling(self.held.name, self.held.registered)

    @property
    def last_failure(self) -> str | None:
        """What went wrong last, as far as AWS still tells."""
        if self.endpoint.failure:
            return self.endpoint.failure
        activity = self.activity.value or {}
        if activity.get("StatusCode") in ("Failed", "Unfulfilled"):
            # A quota that is used up shows here and nowhere else: the endpoint stays InService.
            return f"scaling: {activity.get('Description', '')} {activity.get('StatusMessage', '')}".strip()
        return None

    def text(self) -> str:
        """One fact a line."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        endpoint, name = self.endpoint, self.held.name
        for label, value in (
            ("endpoint", f"{name}  {endpoint.status}"),
            ("instances", f"{endpoint.instances} in service, {endpoint.wanted} wanted"),
            ("type", endpoint.instance_type or "not known: its configuration is gone"),
            ("configuration", endpoint.config),
            ("image", endpoint.image or "not known"),
            ("pack", endpoint.pack or "none"),
            ("scaling", self._scaling_line()),
            *((metric, f"{value:g}") for metric, value in (self.metrics.value or {}).items()),
        ):
            yield f"{label:<{_WIDTH}} {value}"
        if not self.metrics.value:
            yield f"{'backlog':<{_WIDTH}} {self.metrics.why or 'no metric in the last 10 minutes'}"
        if foreign := foreign_policies(name, self.held.registered):
            yield f"{'not ours':<{_WIDTH}} policies {', '.join(foreign)}"
        yield f"{'last failure':<{_WIDTH}} {self.last_failure or 'none'}"

    def _scaling_line(self) -> str:
        scaling = self.scaling
        if scaling is None:
            return "not registered as we know it: run apply"
        parts = [f"{scaling.min_capacity} to {scaling.max_capacity} instances"]
        parts += [f"{each.name} at {each.target:g} jobs per instance" for each in scaling.target_tracking]
        parts += [each.name for each in scaling.steps]
        if scaling.min_capacity == 0 and not scaling.steps:
            parts.append("no policy leads out of zero: run apply")
        return ", ".join(parts)


_WIDTH = max(map(len, METRICS))


def read_status(aws: Clients, name: str, now_s: float) -> Status:
    """Raises EndpointMissing, NotAllowed and their like."""
    with ThreadPoolExecutor(3, thread_name_prefix="status") as pool:
        metrics = pool.submit(looked, functools.partial(_metrics, aws, name, now_s))
        activity = pool.submit(looked, functools.partial(_activity, aws, name))
        held = describe_held(aws, name)
        endpoint = require_endpoint(held)
        return Status(held, endpoint, metrics.result(), activity.result())


def require_endpoint(held: Held) -> EndpointFacts:
    """Raises EndpointMissing."""
    if held.endpoint is None:
        raise EndpointMissing(
            f"there is no endpoint {held.name!r}: make it with `webui-async endpoint apply`"
        )
    return held.endpoint


def _metrics(aws: Clients, name: str, now_s: float) -> Mapping[str, float]:
    dimensions = [{"Name": "EndpointName", "Value": name}]
    queries = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {"Namespace": NAMESPACE, "MetricName": metric, "Dimensions": dimensions},
                "Period": int(PERIOD_S),
                "Stat": "Average",
            },
        }
        for number, metric in enumerate(METRICS)
    ]
    with told("cloudwatch"):
        answer = aws.client("cloudwatch").get_metric_data(
            MetricDataQueries=queries,
            StartTime=now_s - _LOOK_BACK_S,
            EndTime=now_s,
            ScanBy="TimestampDescending",
        )
    points = {result["Id"]: result["Values"] for result in answer["MetricDataResults"]}
    return {
        metric: points[f"m{number}"][0] for number, metric in enumerate(METRICS) if points.get(f"m{number}")
    }


def _activity(aws: Clients, name: str) -> Mapping[str, Any]:
    with told("application-autoscaling"):
        answer = aws.client("application-autoscaling").describe_scaling_activities(
            ServiceNamespace=SERVICE, ResourceId=names.resource_id(name), MaxResults=1
        )
    activities = answer["ScalingActivities"]
    return activities[0] if activities else {}
