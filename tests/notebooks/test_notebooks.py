"""The notebooks, top to bottom, as one reads them: an endpoint is made, used in seven ways, and removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.notebooks.conftest import PYTHON
from tests.notebooks.studio import Studio
from webui_async.deploy.inventory import lines
from webui_async.deploy.stack_record import read_record
from webui_async.local.cloud import STACK
from webui_async.local.receiver import Receiver
from webui_async.local.stack import ROOT, Options, Stack

#: Pages and pictures, to be looked at.
OUT = ROOT / "out" / "notebooks"
#: Fewer than the notebooks' own: nobody waits for a GPU here.
STEPS = 8


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def stack(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything but an endpoint: that is the first notebook's business."""
    options = Options(
        tmp_path_factory.mktemp("stack"),
        has_endpoint=False,
        parameters={"CallbackAllowHosts": receiver.host},
    )
    with Stack(options) as stack:
        receiver.secrets = [stack.callback_secret()]
        yield stack


@pytest.fixture(scope="module")
def studio(stack: Stack) -> Studio:
    return Studio(stack, Path(os.environ[PYTHON]).absolute(), OUT)


def pictures(notebook: dict[str, Any]) -> int:
    """How many pictures a reader of the executed notebook sees."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    return sum(any(name.startswith("image/") for name in output.get("data", ())) for output in outputs)


def text(notebook: dict[str, Any]) -> str:
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    return "".join("".join(output.get("text", ())) for output in outputs)


def test_create_makes_an_endpoint_that_draws(studio: Studio, stack: Stack) -> None:
    parameters = {"MODELS": str(ROOT / "model_layout"), "USD_PER_HOUR": 1.5, "STEPS": STEPS}
    executed = studio.run("create_inference_endpoint", parameters)
    assert pictures(executed) == 1
    assert "InService" in text(executed) and "create" in text(executed)
    assert len(stack.hosting.instances(stack.outputs["EndpointName"])) == 1


def test_use_draws_in_seven_ways(studio: Studio, receiver: Receiver) -> None:
    executed = studio.run("use_inference_endpoint", {"CALLBACK_URL": receiver.url, "STEPS": STEPS})
    assert pictures(executed) == 4
    received = receiver.next(30)
    assert received is not None and received.is_genuine
    assert received.body["data"]["status"] == "succeeded"


def test_clean_up_removes_the_endpoint_and_then_everything(studio: Studio, stack: Stack) -> None:
    plane = stack.cloud.plane
    known = read_record(plane, STACK).names
    studio.run("clean_up", {})
    left = lines(plane, known)
    assert left and not any("SageMaker" in line or "scalable" in line for line in left)
    everything = {"DELETE_STACK": True, "DELETE_BUCKET": True, "DELETE_IMAGES": True}
    executed = studio.run("clean_up", everything, plane.admin)
    assert lines(plane, known) == [] and "left: nothing" in text(executed)
