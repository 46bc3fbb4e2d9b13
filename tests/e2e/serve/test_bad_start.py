"""What an operator got wrong: the log says it in one line, /ping says no, and a job is told the cause."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.serve.harness import PAYLOAD, Container, new_job, wait_for
from tests.unit.model_files.weights import SD1, SD1_LORA, write_weights
from webui_async.contract.job import Status

Start = Callable[..., Container]


def misname(pack: Path) -> None:
    (pack / "Stable-diffusion").rename(pack / "stable-diffusion")


def cut(pack: Path) -> None:
    os.truncate(pack / "Stable-diffusion" / "fixed.safetensors", 1234)


def save_a_web_page(pack: Path) -> None:
    (pack / "Stable-diffusion" / "fixed.safetensors").write_bytes(b"<!doctype html><title>Log in</title>")


def put_a_lora_there(pack: Path) -> None:
    write_weights(pack / "Stable-diffusion" / "fixed.safetensors", SD1_LORA)


def name_code_in_a_yaml(pack: Path) -> None:
    (pack / "Stable-diffusion" / "fixed.yaml").write_text("model: {target: subprocess.getoutput}\n")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (misname, "has no folder Stable-diffusion/, but stable-diffusion/: rename that"),
        (cut, "fixed.safetensors is 1,234 bytes where its header promises"),
        (save_a_web_page, "fixed.safetensors is a web page that was saved under a model's name"),
        (put_a_lora_there, "fixed.safetensors is a LoRA and no checkpoint: move it to Lora/"),
        (name_code_in_a_yaml, 'beside it that may not be used: model.target is "subprocess.getoutput"'),
    ],
)
def test_a_pack_that_cannot_draw_is_said_and_ends_its_jobs(
    start: Start, open_place: Path, spoil: Callable[[Path], None], words: str
) -> None:
    pack = open_place / "spoiled"
    write_weights(pack / "Stable-diffusion" / "fixed.safetensors", SD1)
    spoil(pack)
    container = start(model_dir=pack).wait_listening()
    job = container.accept(new_job())
    assert container.invoke(job).answer().status_code == 200 and container.ping() == 503
    result = container.store.result(job.id)
    assert result is not None and result.status is Status.FAILED and result.error is not None
    assert result.error["code"] == "bad_model_pack" and words in result.error["message"]
    assert not result.error["retryable"]
    (line,) = (line for line in container.log.splitlines() if str(pack) in line)
    assert words in line
    assert container.invoke_direct(PAYLOAD).answer().json()["code"] == "bad_model_pack"
    assert container.stop() == 0


def test_an_empty_pack_is_said(start: Start) -> None:
    container = start(checkpoints=()).wait_listening()
    detail = container.invoke_direct(PAYLOAD).answer().json()["detail"]
    assert "is not there: give the endpoint one that has Stable-diffusion/" in detail


def test_a_bad_file_beside_a_good_one_costs_only_itself(start: Start, open_place: Path) -> None:
    pack = open_place / "mixed"
    for name in ("fixed", "worse"):
        write_weights(pack / "Stable-diffusion" / f"{name}.safetensors", SD1)
    os.truncate(pack / "Stable-diffusion" / "worse.safetensors", 99)
    container = start(model_dir=pack).wait_ready()
    assert container.draw(new_job()).json()["images"]
    job = new_job(PAYLOAD | {"override_settings": {"sd_model_checkpoint": "worse"}})
    assert container.draw(job).json()["error"]["code"] == "unknown_checkpoint"
    (line,) = (line for line in container.log.splitlines() if "worse.safetensors" in line)
    assert "not used: Stable-diffusion/worse.safetensors is 99 bytes" in line


def test_a_flag_that_the_engine_does_not_know_is_said(start: Start) -> None:
    command = f"{sys.executable} -m diffusers_webui --port {{port}} --data-dir {{data_dir}} --no-such-flag"
    container = start(engine_command=command, max_restarts=1).wait_listening()
    detail = container.invoke_direct(PAYLOAD).answer().json()["detail"]
    assert "exited with code 2" in detail and "--no-such-flag" in detail
    assert container.ping() == 503


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"engine_command": "paint {model_dir}"}, "WEBUI_ASYNC_ENGINE_COMMAND"),
        ({"engine_command": "", "webui_dir": "/nowhere"}, "WEBUI_ASYNC_WEBUI_DIR"),
    ],
)
def test_a_command_that_cannot_be_made_ends_the_container_at_once(
    start: Start, settings: dict[str, str], words: str
) -> None:
    container = start(**settings)
    assert wait_for(lambda: container.process.poll()) == 1
    (line,) = container.log.splitlines()
    assert line.startswith("serve: ") and words in line
