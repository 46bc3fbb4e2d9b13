"""deploy/start.py: the expected seconds from zero, part by part."""

from __future__ import annotations

import pytest

from tests.unit.deploy.made import DOCKER, GIB, pack_manifest, spec
from webui_async.deploy.materials import ImageFacts, PackFacts
from webui_async.deploy.spec import PARTS
from webui_async.deploy.start import (
    IMAGE_BYTES_PER_S,
    INSTANCE_S,
    LOAD_BYTES_PER_S,
    PACK_BYTES_PER_S,
    PUBLICATION_S,
    WARM_UP_S,
    WEBUI_START_S,
    expected_start,
)

IMAGE, PACK = ImageFacts(5 * GIB, DOCKER), PackFacts(pack_manifest())
(STEP,) = spec().scaling("painter").steps


def test_the_parts_follow_from_sizes_and_the_alarm() -> None:
    start = expected_start(STEP, IMAGE, PACK, {})
    assert tuple(part.name for part in start.parts) == PARTS
    assert [part.seconds for part in start.parts] == pytest.approx(
        [
            120 + PUBLICATION_S,
            INSTANCE_S,
            5 * GIB / IMAGE_BYTES_PER_S,
            2 * GIB / PACK_BYTES_PER_S,
            WEBUI_START_S + 2 * GIB / LOAD_BYTES_PER_S,
            WARM_UP_S,
        ]
    )


def test_image_and_pack_count_side_by_side() -> None:
    start = expected_start(STEP, IMAGE, PACK, {name: 1.0 for name in PARTS} | {"image": 50.0, "pack": 60.0})
    assert start.seconds == 60.0 + 4


def test_what_was_measured_outweighs_what_is_assumed() -> None:
    start = expected_start(STEP, IMAGE, PACK, {"load": 99.0})
    (load,) = (part for part in start.parts if part.name == "load")
    assert load.seconds == 99.0 and "as the spec says" in load.line


def test_an_endpoint_that_is_never_at_zero_waits_for_no_alarm() -> None:
    assert expected_start(None, IMAGE, PACK, {}).parts[0].name == "instance"


def test_what_is_not_there_takes_no_time() -> None:
    start = expected_start(STEP, None, PackFacts(None), {})
    assert start.seconds == 120 + PUBLICATION_S + INSTANCE_S + WEBUI_START_S + WARM_UP_S
