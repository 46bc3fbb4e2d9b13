"""What the simulated endpoint is like, beside its scaling policies."""

from __future__ import annotations

from dataclasses import dataclass

from webui_async.contract.scaling import PERIOD_S, Scaling
from webui_async.contract.settings import HandlerSettings, ServeSettings


@dataclass(frozen=True)
class Endpoint:
    """One endpoint and its traffic's surroundings. Every instance is like every other."""

    scaling: Scaling
    cold_start_s: float  #: from the decision to have an instance until it takes jobs
    max_jobs: int = ServeSettings.max_jobs  #: K: jobs in hand of one instance
    pickup_s: float = 0.0  #: from being given to an instance until a job can be drawn; others draw meanwhile
    overhead_s: float = 0.0  #: between two drawings of one instance, while nothing is drawn
    redraw_delay_s: float = 10.0  #: until a job of a retired instance is in the queue again
    ttl_s: float = HandlerSettings.job_ttl_s  #: a job that is queued for longer expires
    first_period_s: float = PERIOD_S  #: when the first period of the metrics ends
