"""stable-diffusion-webui/: every pin is exact, every flag exists, config.json differs as the README says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from webui_async.contract.fields import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "stable-diffusion-webui"
RECORDED = ROOT / "tests/contract/recordings/stock_webui/config_full_defaults.json"
#: The flags of the recorded webui, as its /sdapi/v1/cmd-flags names them.
KNOWN_FLAGS = json.loads((ROOT / "diffusers_webui/flags_defaults.json").read_text())
#: Flags of the ControlNet extension. Source: its preload.py.
CONTROLNET_FLAGS = {"controlnet_annotator_models_path"}
#: Overridable, and set by the webui itself as soon as it has loaded a checkpoint.
SET_BY_THE_WEBUI = {"sd_model_checkpoint"}


def pins() -> dict[str, str]:
    lines = (FOLDER / "pins.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def requirements(name: str) -> dict[str, str]:
    """Package -> version. Fails on a line that is not pinned."""
    found = {}
    for line in (FOLDER / name).read_text().splitlines():
        requirement = line.partition("#")[0].strip()
        if requirement:
            match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", requirement)
            assert match, f"{name}: {line!r} is not NAME==VERSION"
            found[match[1].lower().replace("_", "-")] = match[2]
    return found


def test_every_commit_is_forty_hex_digits() -> None:
    commits = {name: value for name, value in pins().items() if name.endswith("_COMMIT_HASH")}
    assert len(commits) == 9
    assert not {name: value for name, value in commits.items() if not re.fullmatch("[0-9a-f]{40}", value)}


def test_every_commit_has_its_repository() -> None:
    found = pins()
    of_repositories = {name.removesuffix("_REPO") for name in found if name.endswith("_REPO")}
    assert of_repositories == {
        name.removesuffix("_COMMIT_HASH") for name in found if name.endswith("_COMMIT_HASH")
    }
    assert found["WEBUI_COMMIT_HASH"] == "82a973c04367123ae98bd9abdf80d9eda9b910e2"
    assert found["STABLE_DIFFUSION_REPO"] == "https://github.com/w-e-w/stablediffusion.git"


@pytest.mark.parametrize(
    "name", ["requirements.txt", "requirements-controlnet.txt", "requirements-build.txt"]
)
def test_every_package_has_one_version(name: str) -> None:
    assert requirements(name)


def test_the_packages_that_break_the_webui_when_newer_are_the_old_ones() -> None:
    webui, controlnet = requirements("requirements.txt"), requirements("requirements-controlnet.txt")
    assert webui["setuptools"] == requirements("requirements-build.txt")["setuptools"] == "69.5.1"
    assert controlnet["mediapipe"] == "0.10.14"
    assert set(webui) & set(controlnet) == {"protobuf"}


def test_the_platform_is_that_of_the_packages() -> None:
    platform, webui = json.loads((FOLDER / "platform.json").read_text()), requirements("requirements.txt")
    assert platform["torch"] == webui["torch"]
    assert webui["nvidia-cuda-runtime-cu12"].startswith(platform["cuda"] + ".")
    driver = [int(part) for part in platform["driver_at_least"].split(".")]
    assert driver <= [int(platform["inference_ami_driver"])]
    assert float(platform["cuda"]) <= float(platform["inference_ami_cuda"])


def test_every_flag_is_one_of_the_webui_and_has_a_reason() -> None:
    lines = [line for line in (FOLDER / "flags.txt").read_text().splitlines() if line and line[0] != "#"]
    for line in lines:
        words, _, reason = line.partition(" # ")
        flag, *value = words.split()
        name = flag.removeprefix("--").replace("-", "_")
        assert flag.startswith("--") and name in KNOWN_FLAGS.keys() | CONTROLNET_FLAGS, line
        assert len(value) <= 1 and reason.strip(), line
    assert len(lines) == len({line.split()[0] for line in lines})


def test_config_is_the_recorded_defaults_with_the_changes_that_the_readme_names() -> None:
    recorded, ours = json.loads(RECORDED.read_text()), json.loads((FOLDER / "config.json").read_text())
    # The recorded installation had this one changed already.
    recorded["api_enable_requests"] = True
    assert list(ours) == list(recorded)
    changed = {name: (recorded[name], ours[name]) for name in ours if ours[name] != recorded[name]}
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| (\S+) \|", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert changed == {name: (json.loads(default), json.loads(ours_)) for name, default, ours_ in rows}


def test_a_whole_number_of_config_is_not_a_fraction() -> None:
    """The webui's own GET /options gives 2.0 for 2, and CLIP skip 2.0 is an error in every drawing."""
    config: dict[str, Any] = json.loads((FOLDER / "config.json").read_text())
    assert type(config["CLIP_stop_at_last_layers"]) is int and type(config["n_rows"]) is int


def test_config_has_every_setting_that_a_job_may_override() -> None:
    config = json.loads((FOLDER / "config.json").read_text())
    assert set(SETTINGS) - set(config) == SET_BY_THE_WEBUI
