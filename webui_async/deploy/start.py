"""How long the first job waits when the endpoint is at zero, part by part. Estimates, and said to be. Pure.

AWS measured for "Introducing container caching in Amazon SageMaker AI" (Machine Learning Blog, June 2026): on
ml.g6.2xlarge 333 s for an image of 17.7 GB, compressed, and beside it 168 s for Qwen3-8B (16.4 GB); on
ml.g4dn.xlarge, with nothing to pull or download, 134 s from the launch to a container that serves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from webui_async.contract.scaling import PERIOD_S, StepScaling
from webui_async.deploy.materials import ImageFacts, PackFacts
from webui_async.packager.report import readable_size

#: Between a period's end and its point in CloudWatch. Inferred: metrics of a minute come within the next.
PUBLICATION_S = 60.0
#: From the scaling activity to a host that may pull. The blog's 134 s, less a start of a small container.
INSTANCE_S = 120.0
#: 17.7 GB in 333 s, see above.
IMAGE_BYTES_PER_S = 53e6
#: 16.4 GB in 168 s beside an image, see above.
PACK_BYTES_PER_S = 98e6
#: Python, torch and the webui's modules, from a cold disk. Inferred.
WEBUI_START_S = 30.0
#: Of the first checkpoint: 2.13 GB in 8.1 s, with its hash, on two cores. Measured: docs/stock-webui.md, 5.
LOAD_BYTES_PER_S = 263e6
#: One small drawing, CUDA's own start included. Inferred.
WARM_UP_S = 10.0


@dataclass(frozen=True)
class Part:
    """One part of a start."""

    name: str  #: one of PARTS
    seconds: float
    why: str  #: where the figure comes from

    @property
    def line(self) -> str:
        return f"{self.name.replace('_', '-'):<9} about {self.seconds:>4.0f} s   {self.why}"


@dataclass(frozen=True)
class Start:
    """A whole start from zero."""

    parts: tuple[Part, ...]

    @property
    def seconds(self) -> float:
        """Image and pack come down side by side; all else is one after another."""
        by_name = {part.name: part.seconds for part in self.parts}
        beside = max(by_name.pop("image", 0.0), by_name.pop("pack", 0.0))
        return beside + sum(by_name.values())


def expected_start(
    step: StepScaling | None, image: ImageFacts | None, pack: PackFacts, said: Mapping[str, float]
) -> Start:
    """The parts of a start.

    step: what leads out of zero; None for an endpoint that is never there.
    said: seconds of parts that are known better.
    """
    found = [
        *([_alarm(step)] if step else []),
        Part("instance", INSTANCE_S, "a GPU host; more where AWS is short of them"),
        _transfer("image", image.size_bytes if image else 0, IMAGE_BYTES_PER_S, "from ECR"),
        _transfer("pack", pack.size_bytes, PACK_BYTES_PER_S, "from S3, beside the image"),
        _load(pack),
        Part("warm_up", WARM_UP_S, "one small drawing"),
    ]
    return Start(
        tuple(Part(p.name, said[p.name], "as the spec says") if p.name in said else p for p in found)
    )


def _alarm(step: StepScaling) -> Part:
    seconds = step.datapoints_to_alarm * PERIOD_S + PUBLICATION_S
    return Part(
        "alarm", seconds, f"{step.datapoints_to_alarm} periods of {PERIOD_S:g} s, and their publication"
    )


def _transfer(name: str, size_bytes: int, bytes_per_s: float, whence: str) -> Part:
    why = f"{readable_size(size_bytes)} {whence} at {bytes_per_s / 1e6:g} MB/s"
    return Part(name, size_bytes / bytes_per_s, why)


def _load(pack: PackFacts) -> Part:
    """Which checkpoint is loaded first is the webui's choice: the largest is assumed."""
    sizes = {file.path: file.size_bytes for file in (pack.manifest.files if pack.manifest else ())}
    size = max((sizes[path] for path in pack.checkpoints), default=0)
    return Part(
        "load",
        WEBUI_START_S + size / LOAD_BYTES_PER_S,
        f"the webui, {WEBUI_START_S:g} s, and a checkpoint of {readable_size(size)}",
    )
