"""The road with the engine of this machine and the demo model: the pictures show what their prompts name."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from painter.scorer import read_picture
from tests.e2e.conftest import open_road
from tests.e2e.road import Road
from webui_async.contract.job import Status
from webui_async.local.stack import DIFFUSERS_ENGINE

PAYLOAD = {"seed": 7, "steps": 12, "width": 256, "height": 256, "sampler_name": "Euler a"}


@pytest.fixture(scope="module")
def real_road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with ExitStack() as closing:
        yield open_road(tmp_path_factory.mktemp("real"), closing, engine_command=DIFFUSERS_ENGINE)


def draw(road: Road, folder: Path, prompt: str) -> Any:
    """The picture as pixels, RGB."""
    job = road.client.submit("txt2img", PAYLOAD | {"prompt": prompt}, callback_url=road.receiver.url)
    job = road.wait(job.id)
    assert job.status is Status.SUCCEEDED, job.error
    assert [image["seed"] for image in job.images] == [7]
    road.assert_ended_once(job.id, "succeeded", settle_s=0)
    (path,) = road.client.download(job, folder)
    return np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("RGB"))


def test_two_prompts_with_one_seed_differ_by_the_colour_that_they_name(
    real_road: Road, tmp_path: Path
) -> None:
    blue = draw(real_road, tmp_path, "a red circle on a blue background")
    yellow = draw(real_road, tmp_path, "a red circle on a yellow background")
    again = draw(real_road, tmp_path, "a red circle on a blue background")
    assert blue.shape == (256, 256, 3)
    assert (read_picture(blue).background, read_picture(yellow).background) == ("blue", "yellow")
    assert (blue == again).all(), "one seed and one prompt are one picture"


def test_a_lora_changes_the_picture_alike_from_the_pack_and_on_demand(
    real_road: Road, tmp_path: Path
) -> None:
    path = tmp_path / "second-blueprint.safetensors"
    shutil.copy(real_road.stack.options.models / "Lora" / "blueprint.safetensors", path)
    prompt = "a red circle on a yellow background"
    plain = draw(real_road, tmp_path, prompt)
    packed = draw(real_road, tmp_path, f"{prompt} <lora:blueprint:1>")
    real_road.models("add", path, "--bucket", real_road.bucket_uri)
    fetched = draw(real_road, tmp_path, f"{prompt} <lora:second-blueprint:1>")
    assert abs(packed.astype(int) - plain).mean() > 20
    assert (fetched == packed).all(), "the same weights under another name"
    assert (draw(real_road, tmp_path, prompt) == plain).all(), "a LoRA has outlived its drawing"
