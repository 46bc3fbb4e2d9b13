"""What came of a simulation, job by job and instance by instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from webui_async.contract.scaling import Change, Point


@dataclass(slots=True, eq=False)
class Outcome:
    """One job: drawn, or expired in the queue."""

    arrival_s: float
    drawing_s: float
    started_s: float | None = None  #: of the drawing that was finished; None when it expired
    ended_s: float | None = None  #: of its drawing, or when it expired
    drawings_lost: int = 0  #: begun on an instance that was retired

    @property
    def is_drawn(self) -> bool:
        return self.started_s is not None

    @property
    def wait_s(self) -> float:
        """From arrival to the start of its drawing. Only of a job that was drawn."""
        assert self.started_s is not None
        return self.started_s - self.arrival_s

    @property
    def total_s(self) -> float:
        """From arrival to the end."""
        assert self.ended_s is not None
        return self.ended_s - self.arrival_s


@dataclass(frozen=True)
class Life:
    """One instance, from the decision to have it until it was stopped.

    All of it counts as billed [infer]: AWS says that instances are billed by the second they run, and not
    whether those until InService are among them. This is the dear side.
    """

    launched_s: float
    in_service_s: float | None  #: None when it was still starting at the end
    stopped_s: float  #: of one that ran until the end: the end
    busy_s: float  #: spent in drawings, the lost ones too

    @property
    def billed_s(self) -> float:
        return self.stopped_s - self.launched_s


@dataclass(frozen=True)
class Result:
    """A simulation that ran until every job was over and the endpoint back at its fewest instances."""

    jobs: Sequence[Outcome]  #: in order of arrival
    instances: Sequence[Life]  #: in order of launch
    changes: Sequence[Change] = field(default_factory=list)
    points: Sequence[Point] = field(default_factory=list)  #: one a period: what the policies saw
    end_s: float = 0.0

    @property
    def drawn(self) -> list[Outcome]:
        return [job for job in self.jobs if job.is_drawn]

    @property
    def instance_seconds(self) -> float:
        return sum(life.billed_s for life in self.instances)

    @property
    def busy_seconds(self) -> float:
        return sum(life.busy_s for life in self.instances)

    @property
    def idle_share(self) -> float:
        """Of the billed seconds, those in which nothing was drawn."""
        return 1 - self.busy_seconds / self.instance_seconds if self.instance_seconds else 0.0

    def backlog(self) -> list[tuple[float, int]]:
        """Jobs that had arrived and were not over, each from that time on."""
        begun = ((job.arrival_s, 1) for job in self.jobs)
        over = ((job.ended_s, -1) for job in self.jobs if job.ended_s is not None)
        return _running_total([*begun, *over])

    def billed_instances(self) -> list[tuple[float, int]]:
        """Instances that were there, starting or in service, each from that time on."""
        launched = ((life.launched_s, 1) for life in self.instances)
        stopped = ((life.stopped_s, -1) for life in self.instances)
        return _running_total([*launched, *stopped])

    def serving_instances(self) -> list[tuple[float, int]]:
        """Instances that took jobs, each from that time on."""
        lives = [life for life in self.instances if life.in_service_s is not None]
        entered = ((life.in_service_s or 0.0, 1) for life in lives)
        stopped = ((life.stopped_s, -1) for life in lives)
        return _running_total([*entered, *stopped])


def _running_total(steps: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """The sum of the steps until each time at which there are some."""
    totals: dict[float, int] = {}
    total = 0
    for at_s, step in sorted(steps):
        total += step
        totals[at_s] = total
    return list(totals.items())
