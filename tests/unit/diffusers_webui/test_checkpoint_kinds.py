"""The engine with a checkpoint of every kind in one folder, as a client meets them."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from starlette.testclient import TestClient

from diffusers_webui.app import build_app
from diffusers_webui.arguments import parse
from diffusers_webui.engine import Engine
from diffusers_webui.pictures import decode
from tests.unit.diffusers_webui import small_models

CLIP = Path(__file__).parents[3] / "model_layout" / "Stable-diffusion" / "clip"


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil-ran",)


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    tree = tmp_path_factory.mktemp("kinds")
    for folder in ("ckpt", "lora", "vae", "data"):
        (tree / folder).mkdir()
    small = small_models.sd1()
    save_file(small_models.sdxl().original(), tree / "ckpt" / "xl.safetensors")
    save_file(small_models.sd2().original(), tree / "ckpt" / "two.safetensors")
    torch.save({"state_dict": small.original()}, tree / "ckpt" / "one.ckpt")
    torch.save({"state_dict": Evil()}, tree / "ckpt" / "evil.ckpt")
    torch.manual_seed(9)
    save_file(small_models.vae().state_dict(), tree / "vae" / "other.safetensors")
    lora = {}
    for name, wide, high in (
        ("lora_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_q", 128, 128),
        ("lora_te1_text_model_encoder_layers_0_mlp_fc1", 64, 128),
        ("lora_te2_text_model_encoder_layers_0_self_attn_q_proj", 128, 128),
    ):
        lora[f"{name}.lora_down.weight"] = torch.randn(2, wide)
        lora[f"{name}.lora_up.weight"] = torch.randn(high, 2)
        lora[f"{name}.alpha"] = torch.tensor(2.0)
        save_file(lora, tree / "lora" / f"first_{len(lora) // 3}.safetensors")
    return tree


@pytest.fixture(scope="module")
def client(tree):
    flags = [f"--{key}-dir={tree / key}" for key in ("ckpt", "lora", "vae", "data")]
    engine = Engine(parse([*flags, f"--clip-dir={CLIP}", "--ckpt", "one.ckpt"]))
    engine.start()
    with TestClient(build_app(engine)) as client:
        assert client.post("/sdapi/v1/reload-checkpoint").json() == {}
        yield client


def draw(client, checkpoint: str, **fields) -> np.ndarray:
    overrides = {"sd_model_checkpoint": checkpoint} | fields.pop("override_settings", {})
    body = {"prompt": "a star", "width": 64, "height": 64, "steps": 2, "seed": 1} | fields
    answer = client.post("/sdapi/v1/txt2img", json=body | {"override_settings": overrides})
    assert answer.status_code == 200, answer.text[:500]
    return np.asarray(decode(answer.json()["images"][0]), dtype=int)


@pytest.mark.parametrize("name", ["one", "two", "xl"])
def test_every_kind_draws_and_its_prompt_counts(client, name):
    plain = draw(client, name)
    assert plain.shape == (64, 64, 3) and plain.std() > 1
    assert (draw(client, name, prompt="a green (circle:1.3)") != plain).any()
    assert (draw(client, name, negative_prompt="red") != plain).any()
    assert (draw(client, name) == plain).all()


@pytest.mark.parametrize("cfg_scale", [0, 0.5, 1])
def test_without_guidance_the_negative_prompt_has_no_say(client, cfg_scale):
    few = {"steps": 1, "cfg_scale": cfg_scale, "sampler_name": "LCM"}
    assert (draw(client, "xl", negative_prompt="red", **few) == draw(client, "xl", **few)).all()


def test_a_lora_of_xl_reaches_the_unet_and_both_text_encoders(client):
    """Each file holds one more part than the one before, under the names of Kohya's trainer."""
    prompts = ["a star", *(f"a star <lora:first_{count}:1>" for count in (1, 2, 3))]
    pictures = [draw(client, "xl", prompt=prompt) for prompt in prompts]
    assert all((one != other).any() for one, other in itertools.pairwise(pictures))
    assert (draw(client, "xl") == pictures[0]).all()


def test_an_evil_pickle_is_refused_in_the_stock_webuis_words(client):
    body = {"prompt": "x", "override_settings": {"sd_model_checkpoint": "evil"}}
    answer = client.post("/sdapi/v1/txt2img", json=body)
    assert (answer.status_code, answer.json()["error"]) == (500, "AttributeError")
    assert answer.json()["errors"] == "'NoneType' object has no attribute 'pop'"
    assert not Path("evil-ran").exists()
    draw(client, "one")


def test_a_vae_file_is_listed_chosen_by_option_and_named_in_the_infotext(client):
    listed = client.get("/sdapi/v1/sd-vae").json()
    assert [item["model_name"] for item in listed] == ["other.safetensors"]
    own = draw(client, "one")
    other = draw(client, "one", override_settings={"sd_vae": "other.safetensors"})
    assert (own != other).any() and (draw(client, "one") == own).all()
    assert (draw(client, "one", override_settings={"sd_vae": "no such file"}) == own).all()


@pytest.mark.parametrize("by", ["title", "model_name", "hash", "sha256"])
def test_a_checkpoint_is_switched_to_by_any_of_its_names(client, by):
    draw(client, "two")  # hashed at its first load
    named = {item["model_name"]: item for item in client.get("/sdapi/v1/sd-models").json()}
    body = {"prompt": "x", "width": 64, "height": 64, "steps": 1}
    overrides = {"override_settings": {"sd_model_checkpoint": named["two"][by]}}
    answer = client.post("/sdapi/v1/txt2img", json=body | overrides).json()
    assert '"sd_model_name": "two"' in answer["info"]


def test_hashes_outlive_the_process(client, tree):
    draw(client, "two")
    again = Engine(parse([f"--ckpt-dir={tree / 'ckpt'}", f"--data-dir={tree / 'data'}"]))
    assert again.folders.checkpoints.named("two").sha256
