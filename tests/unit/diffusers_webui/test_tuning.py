"""Fields that fine-tune sampling, and what the picture and its infotext show of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from diffusers_webui import samplers
from diffusers_webui.pictures import encode
from diffusers_webui.sigmas import NoiseTable
from diffusers_webui.walks import Churn, Road


def difference(one, other) -> int:
    pictures = [np.asarray(drawn["pictures"][0], dtype=int) for drawn in (one, other)]
    return int(abs(pictures[0] - pictures[1]).max())


@pytest.mark.parametrize(
    ("sampler", "change", "told"),
    [
        ("Euler", {"s_churn": 20}, "Sigma churn: 20.0"),
        ("Heun", {"s_churn": 20, "s_noise": 1.1}, "Sigma noise: 1.1"),
        ("DPM++ SDE", {"s_noise": 0.9}, "Sigma noise: 0.9"),
        ("Euler a", {"eta": 0.5}, "Eta: 0.5"),
        ("DDIM", {"eta": 0.5}, "Eta DDIM: 0.5"),
        ("Euler", {"s_min_uncond": 15}, "NGMS: 15.0"),
        ("Euler a", {"override_settings": {"eta_noise_seed_delta": 31337}}, "ENSD: 31337"),
        ("Euler", {"tiling": True}, "Tiling: True"),
        ("Euler", {"seed_resize_from_w": 128, "seed_resize_from_h": 128}, "Seed resize from: 128x128"),
        ("Euler", {"subseed": 3, "subseed_strength": 0.5}, "Variation seed strength: 0.5"),
    ],
    ids=str,
)
def test_a_field_that_has_a_say_changes_the_picture_and_is_told(draw, sampler, change, told):
    plain, changed = draw(sampler_name=sampler, steps=4), draw(sampler_name=sampler, steps=4, **change)
    assert difference(plain, changed) > 0
    assert told in changed["info"]["infotexts"][0] and told not in plain["info"]["infotexts"][0]


@pytest.mark.parametrize(
    ("sampler", "change"),
    [
        ("Euler", {"eta": 0.5}),
        ("DPM++ 2M", {"s_churn": 20}),
        ("Euler a", {"s_noise": 0.5}),
        ("Euler", {"s_churn": 20, "s_tmin": 1000}),
        ("Euler", {"s_churn": 20, "s_tmax": 0.001}),
        ("Euler", {"override_settings": {"eta_noise_seed_delta": 31337}}),
    ],
    ids=str,
)
def test_a_field_that_a_sampler_does_not_take_changes_nothing(draw, sampler, change):
    assert difference(draw(sampler_name=sampler), draw(sampler_name=sampler, **change)) == 0


def test_an_option_is_the_default_of_its_field(draw):
    asked, optional = draw(s_churn=20), draw(override_settings={"s_churn": 20})
    assert difference(asked, optional) == 0
    assert difference(draw(), draw(s_churn=0, override_settings={"s_churn": 20})) == 0


def test_less_noise_on_a_picture_changes_it_less(draw, engine):
    start = encode(draw(steps=4)["pictures"][0], engine.options)
    asked = {"init_images": [start], "denoising_strength": 0.9, "steps": 4}
    little = draw("img2img", **asked, initial_noise_multiplier=0.5)
    assert difference(little, draw("img2img", **asked)) > 0
    assert "Noise multiplier: 0.5" in little["info"]["infotexts"][0]


def test_tiling_joins_the_edges_and_is_gone_afterwards(draw):
    before = draw(steps=6)
    tiled = np.asarray(draw(steps=6, tiling=True)["pictures"][0], dtype=int)
    plain = np.asarray(before["pictures"][0], dtype=int)

    def seam(pixels):
        return abs(pixels[:, 0] - pixels[:, -1]).mean() + abs(pixels[0] - pixels[-1]).mean()

    assert seam(tiled) < 0.5 * seam(plain)
    assert difference(before, draw(steps=6)) == 0


def test_churn_puts_back_the_noise_that_it_says():
    table = NoiseTable(torch.linspace(0.999, 0.01, 1000))
    asked: list[float] = []

    def denoise(x, sigma):
        asked.append(float(sigma))
        return torch.zeros_like(x)

    levels = torch.tensor([8.0, 4.0, 2.0, 1.0, 0.0])
    churn = Churn(amount=1.0, lowest=1.5, highest=5.0)
    road = Road(denoise, lambda: torch.zeros(1), lambda i, x: None, levels, 1.0, table, churn)
    samplers.named("Euler").walk(torch.ones(1), road)
    assert asked == pytest.approx([8.0, 4.0 * 1.25, 2.0 * 1.25, 1.0])


@pytest.fixture
def dimmed(client, model_tree) -> Iterator[str]:
    """A checkpoint that draws something else: the demo model with half an answer."""
    weights = load_file(model_tree / "ckpt" / "tinyA.safetensors")
    weights["model.diffusion_model.out.2.weight"] *= 0.5
    files = [model_tree / "ckpt" / f"dimmed.{suffix}" for suffix in ("safetensors", "yaml")]
    save_file(weights, files[0])
    files[1].symlink_to(model_tree / "ckpt" / "tinyA.yaml")
    client.post("/sdapi/v1/refresh-checkpoints")
    yield "dimmed"
    for file in files:
        file.unlink()
    client.post("/sdapi/v1/refresh-checkpoints")


def test_a_refiner_draws_from_its_share_on_and_is_told(draw, dimmed):
    base, other = draw(steps=6), draw(steps=6, override_settings={"sd_model_checkpoint": dimmed})
    refined = {at: draw(steps=6, refiner_checkpoint=dimmed, refiner_switch_at=at) for at in (0.0, 0.5, 1.0)}
    assert difference(refined[0.0], other) == 0 and difference(refined[1.0], base) == 0
    assert difference(refined[0.5], base) > 0 and difference(refined[0.5], other) > 0
    assert refined[0.5]["info"]["sd_model_name"] == "tinyA"
    told = refined[0.5]["info"]["infotexts"][0]
    assert "Refiner: dimmed [" in told and "Refiner switch at: 0.5" in told


def test_with_hires_fix_the_refiner_is_in_the_second_pass_unless_an_option_says_other(draw, dimmed):
    hires = {"enable_hr": True, "hr_upscaler": "Latent", "denoising_strength": 0.6, "steps": 3}
    refined = hires | {"refiner_checkpoint": dimmed, "refiner_switch_at": 0.1}
    first = refined | {"override_settings": {"hires_fix_refiner_pass": "first pass"}}
    plain, in_second, in_first = draw(**hires), draw(**refined), draw(**first)
    assert difference(plain, in_second) > 0
    assert difference(in_first, in_second) > 0


def test_the_second_pass_can_have_a_checkpoint_of_its_own(draw, dimmed):
    hires = {"enable_hr": True, "hr_upscaler": "Latent", "denoising_strength": 0.6, "steps": 3}
    own = draw(**hires, hr_checkpoint_name=dimmed)
    assert difference(draw(**hires), own) > 0
    assert "Hires checkpoint: dimmed [" in own["info"]["infotexts"][0]


def test_an_unknown_refiner_is_refused(client):
    body = {"prompt": "x", "refiner_checkpoint": "nope", "refiner_switch_at": 0.5}
    answer = client.post("/sdapi/v1/txt2img", json=body)
    assert (answer.status_code, answer.json()["error"]) == (500, "Exception")
    assert answer.json()["errors"] == "Could not find checkpoint with name nope"
