from pathlib import Path

import pytest

from diffusers_webui.architecture import architecture_of, read_architecture
from diffusers_webui.errors import UnfitCheckpoint
from tests.unit.diffusers_webui import small_models

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


XL_YAML = """
model:
  target: sgm.models.diffusion.DiffusionEngine
  params:
    scale_factor: 0.13025
    denoiser_config:
      target: sgm.modules.diffusionmodules.denoiser.DiscreteDenoiser
      params:
        scaling_config: {target: sgm.modules.diffusionmodules.denoiser_scaling.%s}
    network_config:
      target: sgm.modules.diffusionmodules.openaimodel.UNetModel
      params: {model_channels: 320}
    conditioner_config: {target: sgm.modules.GeneralConditioner}
    first_stage_config:
      target: sgm.models.autoencoder.AutoencoderKL
      params: {ddconfig: {ch: 128}}
"""


@pytest.mark.parametrize(("scaling", "is_velocity"), [("EpsScaling", False), ("VScaling", True)])
def test_a_yaml_of_xl_is_understood_and_says_what_the_unet_answers(tmp_path, scaling, is_velocity):
    (tmp_path / "xl.yaml").write_text(XL_YAML % scaling)
    architecture = read_architecture(tmp_path / "xl.yaml")
    assert architecture.params["unet_config"]["params"]["model_channels"] == 320
    assert architecture.is_v_prediction is is_velocity


def test_a_yaml_may_say_that_the_unet_answers_with_the_velocity(tmp_path):
    text = (DEMO / "tiny-painter.yaml").read_text()
    (tmp_path / "v.yaml").write_text(text.replace("  params:\n", "  params:\n    parameterization: v\n", 1))
    assert read_architecture(tmp_path / "v.yaml").is_v_prediction is True
    assert read_architecture(DEMO / "tiny-painter.yaml").is_v_prediction is False


def test_without_a_yaml_the_weights_show_the_sizes():
    weights = small_models.sd2().original()
    architecture = architecture_of(None, weights)
    unet = architecture.params["unet_config"]["params"]
    assert (unet["model_channels"], unet["channel_mult"], unet["num_res_blocks"]) == (64, [1, 2], 1)
    assert (unet["context_dim"], unet["use_linear_in_transformer"]) == (64, True)
    assert architecture.is_v_prediction is None  # only the UNet can tell


def test_weights_of_anything_else_are_refused():
    with pytest.raises(UnfitCheckpoint, match="no Stable Diffusion checkpoint"):
        architecture_of(None, {"lora_unet_mid_block.lora_down.weight": None})
