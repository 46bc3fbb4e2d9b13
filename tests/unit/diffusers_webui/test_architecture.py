from pathlib import Path

import pytest

from diffusers_webui.architecture import read_architecture
from diffusers_webui.errors import UnfitCheckpoint

DEMO = Path(__file__).parents[3] / "model_layout" / "Stable-diffusion"


def test_the_demo_yaml_names_a_clip_folder_beside_it():
    architecture = read_architecture(DEMO / "tiny-painter.yaml")
    assert architecture.clip_folder == DEMO / "clip"


def test_a_yaml_that_names_any_other_class_is_refused(tmp_path):
    evil = tmp_path / "evil.yaml"
    evil.write_text(
        (DEMO / "tiny-painter.yaml").read_text().replace("torch.nn.Identity", "subprocess.getoutput")
    )
    with pytest.raises(UnfitCheckpoint, match=r"subprocess\.getoutput"):
        read_architecture(evil)


@pytest.mark.parametrize("text", ["", "[1, 2]", "model: {}", "a: [", "!!python/object/apply:os.getcwd []"])
def test_a_yaml_that_is_no_description_is_refused(tmp_path, text):
    bad = tmp_path / "bad.yaml"
    bad.write_text(text)
    with pytest.raises(UnfitCheckpoint):
        read_architecture(bad)


def test_without_a_yaml_it_is_stable_diffusion_1():
    assert read_architecture(None).params["unet_config"]["params"]["model_channels"] == 320
