"""CloudWatch metrics of an ending, as one line of the embedded metric format in complete's log.

The alarms of template.yaml name the namespace, the dimension and JobsFailed: tests/contract/test_alarms.py.
"""

from __future__ import annotations

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from webui_async.contract.job import Result, Status

NAMESPACE = "WebuiAsync"
DIMENSION = "EndpointName"
COUNTERS = {
    Status.SUCCEEDED: "JobsSucceeded",
    Status.FAILED: "JobsFailed",
    Status.CANCELED: "JobsCanceled",
    Status.EXPIRED: "JobsExpired",
}


def count(endpoint: str, result: Result) -> None:
    """One line on standard output: the ending counted, with its times and its price where they are known.

    endpoint: this stack's own, which is what its alarms name. A job may have been accepted for another one,
    when the stack was given a new endpoint in between.
    """
    # No `service`: it would be a second dimension, and an alarm names all dimensions or sees nothing.
    metrics = EphemeralMetrics(namespace=NAMESPACE)
    metrics.add_dimension(DIMENSION, endpoint)
    metrics.add_metric(COUNTERS[result.status], MetricUnit.Count, 1)
    known = result.metrics
    for name, unit, value in (
        ("QueuedSeconds", MetricUnit.Seconds, known.queued_s),
        ("DrawingSeconds", MetricUnit.Seconds, known.drawing_s),
        ("TotalSeconds", MetricUnit.Seconds, known.total_s),
        ("CostUsd", MetricUnit.NoUnit, known.cost_usd),
    ):
        if value is not None:
            metrics.add_metric(name, unit, value)
    metrics.add_metadata("job_id", result.job_id)
    metrics.flush_metrics()
