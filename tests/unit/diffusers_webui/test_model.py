"""Every kind of checkpoint, small and random: what is read is what was written, and it draws."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from safetensors.torch import save_file
from transformers import CLIPTokenizer

from diffusers_webui.checkpoints import Checkpoint
from diffusers_webui.conditioning import Conditioner
from diffusers_webui.errors import MissingTokenizer, RefusedCheckpoint, UnfitCheckpoint
from diffusers_webui.guide import Guide
from diffusers_webui.model import answers_with_velocity, load_model, load_vae
from diffusers_webui.original_names import original_names
from diffusers_webui.precision import Precision
from diffusers_webui.sigmas import NoiseTable
from diffusers_webui.state import State
from diffusers_webui.text import Text
from diffusers_webui.voice import Timeline, Voice
from diffusers_webui.weights import read_weights
from tests.unit.diffusers_webui import small_models

CLIP = Path(__file__).parents[3] / "model_layout" / "Stable-diffusion" / "clip"
CPU = Precision(torch.device("cpu"), torch.float32, torch.float32)
KINDS = {"sd1": small_models.sd1, "sd2": small_models.sd2, "sdxl": small_models.sdxl}


@pytest.fixture(params=KINDS)
def small(request):
    return KINDS[request.param]()


def written(path: Path, small) -> Checkpoint:
    save_file(small.original(), path)
    return Checkpoint(path, path.name)


def same(network, other) -> bool:
    ours, theirs = network.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_a_single_file_without_a_yaml_comes_back_whole(tmp_path, small):
    model = load_model(written(tmp_path / "small.safetensors", small), CPU, clip_dir=CLIP)
    assert same(model.unet, small.unet) and same(model.vae, small.vae)
    assert len(model.texts) == len(small.texts)
    assert all(same(ours.network, theirs) for ours, theirs in zip(model.texts, small.texts, strict=True))


def test_original_names_are_those_of_diffusers_own_converter(small):
    names = {key: key for key in small.original()}
    by_diffusers_name = convert_ldm_unet_checkpoint(names, small.unet.config)
    ours = original_names(small.unet)
    for key, original in by_diffusers_name.items():
        module, _, kind = key.rpartition(".")
        assert f"model.diffusion_model.{ours[module]}.{kind}" == original


def test_xl_hears_what_diffusers_own_pipeline_hears(tmp_path):
    small = small_models.sdxl()
    model = load_model(written(tmp_path / "xl.safetensors", small), CPU, clip_dir=CLIP)
    first, second = CLIPTokenizer.from_pretrained(CLIP), CLIPTokenizer.from_pretrained(CLIP, pad_token="!")
    pipeline = StableDiffusionXLPipeline(
        small.vae, *small.texts, first, second, small.unet, EulerDiscreteScheduler(steps_offset=1)
    )
    ours = Conditioner(model).embed("a red star", 1, 20)
    nothing = Conditioner(model).embed("", 1, 20).as_empty_negative()
    context, no_context, pooled, no_pooled = pipeline.encode_prompt("a red star")
    torch.testing.assert_close(ours.context, context)
    torch.testing.assert_close(ours.pooled, pooled)
    assert torch.equal(nothing.context, no_context) and torch.equal(nothing.pooled, no_pooled)


@pytest.mark.parametrize("kind", ["sd1", "sd2"])
def test_one_encoder_says_what_it_says_in_diffusers_own_pipeline(tmp_path, kind):
    small = KINDS[kind]()
    model = load_model(written(tmp_path / "small.safetensors", small), CPU, clip_dir=CLIP)
    pad = "<|endoftext|>"
    if kind == "sd2":  # diffusers leaves the last layer out of its files
        small.texts[0].encoder.layers, pad = small.texts[0].encoder.layers[:-1], "!"
    pipeline = StableDiffusionPipeline(
        small.vae,
        small.texts[0],
        CLIPTokenizer.from_pretrained(CLIP, pad_token=pad),
        small.unet,
        EulerDiscreteScheduler(steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    theirs, _ = pipeline.encode_prompt("a red star", "cpu", 1, False)
    torch.testing.assert_close(Conditioner(model).embed("a red star", 1, 20).context, theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_diffusers_folder_is_a_checkpoint(tmp_path, kind):
    small, folder = KINDS[kind](), tmp_path / "small.v1"
    tokenizer = CLIPTokenizer.from_pretrained(CLIP)
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        steps_offset=1,
    )
    if kind == "sdxl":
        pipeline = StableDiffusionXLPipeline(
            small.vae, *small.texts, tokenizer, tokenizer, small.unet, scheduler
        )
    else:
        pipeline = StableDiffusionPipeline(
            small.vae, *small.texts, tokenizer, small.unet, scheduler, None, None, None, False
        )
    pipeline.save_pretrained(folder)
    model = load_model(Checkpoint(folder, folder.name), CPU)
    assert same(model.unet, small.unet) and same(model.texts[-1].network, small.texts[-1])
    assert model.is_v_prediction and model.checkpoint.model_name == "small.v1"
    expected = load_model(written(tmp_path / "a.safetensors", small), CPU, CLIP).alphas_cumprod
    torch.testing.assert_close(model.alphas_cumprod, expected)


def test_a_pipeline_of_another_kind_is_refused(tmp_path):
    (tmp_path / "model_index.json").write_text('{"_class_name": "os.system"}')
    with pytest.raises(UnfitCheckpoint, match=r"os\.system"):
        load_model(Checkpoint(tmp_path, "pipeline"), CPU)


class _Echo(torch.nn.Module):
    """A perfect UNet: it knows the clean latents, and answers with the noise or the velocity."""

    def __init__(self, clean: torch.Tensor, table: NoiseTable, is_velocity: bool):
        super().__init__()
        self.clean, self.table, self.is_velocity = clean, table, is_velocity
        self.config = small_models.sd2().unet.config

    def forward(self, x, timestep, encoder_hidden_states, return_dict):
        sigma = self.table.sigma(timestep.cpu().float())
        share = 1 / (sigma**2 + 1).sqrt()
        noise = (x - share * self.clean) / (sigma * share)
        return (share * noise - sigma * share * self.clean if self.is_velocity else noise,)


@pytest.mark.parametrize("is_velocity", [True, False])
def test_both_kinds_of_answer_lead_to_the_same_clean_latents(tmp_path, is_velocity):
    model = load_model(written(tmp_path / "sd2.safetensors", small_models.sd2()), CPU, CLIP)
    table, clean = NoiseTable(model.alphas_cumprod), torch.randn(1, 4, 8, 8)
    model.unet = _Echo(torch.zeros_like(clean), table, is_velocity)
    assert answers_with_velocity(model) is is_velocity
    model.unet, model.is_v_prediction = _Echo(clean, table, is_velocity), is_velocity
    prompt = Timeline([(1, Text(torch.zeros(1, 77, 64)))])
    guide = Guide(Voice(model, [(prompt, 1.0)], None), table, 1.0, State())
    x, sigma = clean + 3 * torch.randn(1, 4, 8, 8), torch.tensor(3.0)
    torch.testing.assert_close(guide(x, sigma), clean, atol=1e-4, rtol=1e-4)


class _Evil:
    def __init__(self, witness: Path):
        self._witness = witness

    def __reduce__(self):
        return os.mkdir, (str(self._witness),)


@pytest.mark.parametrize("save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_an_evil_pickle_is_refused_unexecuted(tmp_path, save):
    save({"state_dict": {"weight": torch.ones(2), "x": _Evil(tmp_path / "ran")}}, tmp_path / "evil.ckpt")
    with pytest.raises(RefusedCheckpoint, match="'NoneType' object has no attribute 'pop'"):
        read_weights(tmp_path / "evil.ckpt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"garbage" * 100, pickle.dumps([1, 2])])
def test_a_pickle_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "bad.ckpt").write_bytes(content)
    with pytest.raises(RefusedCheckpoint):
        read_weights(tmp_path / "bad.ckpt")


def test_an_honest_pickle_is_read_with_training_notes_beside_its_weights(tmp_path):
    weights = small_models.sd1().original()
    torch.save({"state_dict": weights, "best": np.float64(3), "step": 4}, tmp_path / "honest.ckpt")
    assert load_model(Checkpoint(tmp_path / "honest.ckpt", "honest.ckpt"), CPU, CLIP)


def test_a_vae_file_takes_the_place_of_the_checkpoints_own(tmp_path, small):
    model = load_model(written(tmp_path / "small.safetensors", small), CPU, CLIP)
    other = small_models.vae()
    small.vae = other
    stem = "first_stage_model."
    plain = {key.removeprefix(stem): v for key, v in small.original().items() if key.startswith(stem)}
    save_file(plain, tmp_path / "plain.safetensors")
    save_file(other.state_dict(), tmp_path / "diffusers.safetensors")
    for name in ("plain", "diffusers"):
        assert same(load_vae(tmp_path / f"{name}.safetensors", model), other)
    save_file({"weight": torch.ones(2)}, tmp_path / "unfit.safetensors")
    with pytest.raises(UnfitCheckpoint):
        load_vae(tmp_path / "unfit.safetensors", model)


def test_without_clips_vocabulary_it_says_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingTokenizer, match="--clip-dir"):
        load_model(written(tmp_path / "sd1.safetensors", small_models.sd1()), CPU)


def test_a_checkpoint_that_wants_a_mask_too_is_refused(tmp_path):
    weights = small_models.sd1().original()
    key = "model.diffusion_model.input_blocks.0.0.weight"
    weights[key] = torch.zeros(32, 9, 3, 3)
    save_file(weights, tmp_path / "inpainting.safetensors")
    with pytest.raises(UnfitCheckpoint, match="takes 9 channels"):
        load_model(Checkpoint(tmp_path / "inpainting.safetensors", "inpainting"), CPU, CLIP)
