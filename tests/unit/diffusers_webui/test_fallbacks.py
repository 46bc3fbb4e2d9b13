"""The stock webui's silent fallbacks: 200, something else is drawn, and the only trace stands in `info`.

Whoever asks by API must check names beforehand; these tests say what happens if not.
"""

from __future__ import annotations

import numpy as np
import pytest

from diffusers_webui.pictures import decode, encode


def same_picture(one, other) -> bool:
    return bool((np.asarray(one["pictures"][0]) == np.asarray(other["pictures"][0])).all())


@pytest.mark.parametrize("name", ["NoSuch", "k_euler_a", "euler a", "DPM++ 3M SDE"])
def test_an_unknown_sampler_becomes_dpmpp_2m_with_karras(draw, name):
    asked, instead = draw(sampler_name=name), draw(sampler_name="DPM++ 2M")
    assert same_picture(asked, instead)
    assert asked["parameters"]["sampler_name"] == name
    assert asked["info"]["sampler_name"] == "DPM++ 2M"
    assert "Sampler: DPM++ 2M, Schedule type: Karras" in asked["info"]["infotexts"][0]


def test_an_unknown_sampler_index_does_too(draw):
    assert draw(sampler_index="NoSuch")["info"]["sampler_name"] == "DPM++ 2M"


@pytest.mark.parametrize("name", ["NoSuch", "", "Align Your Steps"])
def test_an_unknown_scheduler_becomes_automatic(draw, name):
    asked, instead = draw(scheduler=name), draw(scheduler="Automatic")
    assert same_picture(asked, instead)
    assert "Schedule type: Automatic" in asked["info"]["infotexts"][0]


@pytest.mark.parametrize("name", ["nope", "", None, 3, "TINYB"])
def test_an_unknown_checkpoint_becomes_the_loaded_one(draw, name):
    asked = draw(override_settings={"sd_model_checkpoint": name})
    assert same_picture(asked, draw())
    assert asked["info"]["sd_model_name"] == "tinyA"


@pytest.mark.parametrize(
    "tag", ["<lora:missing:1>", "<lora:blueprint:much>", "<hypernet:missing:1>", "<x:y>"]
)
def test_an_unknown_lora_or_tag_draws_as_without_it(draw, tag):
    asked = draw(prompt=f"a red star{tag}")
    assert same_picture(asked, draw(prompt="a red star"))
    assert asked["info"]["prompt"] == f"a red star{tag}"
    assert asked["info"]["extra_generation_params"] == {}


@pytest.mark.parametrize("name", ["nope", "nope.safetensors", "", None])
def test_an_unknown_vae_becomes_the_checkpoints_own(draw, name):
    asked = draw(override_settings={"sd_vae": name})
    assert same_picture(asked, draw())
    assert (asked["info"]["sd_vae_name"], asked["info"]["sd_vae_hash"]) == (None, None)


@pytest.mark.parametrize("name", ["R-ESRGAN 4x+", "ESRGAN_4x", "SwinIR 4x"])
def test_an_upscaler_without_weights_is_a_plain_resize_that_claims_its_name(client, draw, engine, name):
    small = encode(draw()["pictures"][0], engine.options)

    def enlarged(upscaler: str):
        body = {"image": small, "upscaler_1": upscaler}
        return client.post("/sdapi/v1/extra-single-image", json=body).json()

    asked, plain = enlarged(name), enlarged("Lanczos")
    assert f"Postprocess upscaler: {name}" in asked["html_info"]
    assert (np.asarray(decode(asked["image"])) == np.asarray(decode(plain["image"]))).all()


def test_a_hires_upscaler_without_weights_is_a_plain_resize_that_claims_its_name(draw):
    hires = {"enable_hr": True, "denoising_strength": 0.3, "hr_second_pass_steps": 1}
    asked, plain = draw(**hires, hr_upscaler="R-ESRGAN 4x+"), draw(**hires, hr_upscaler="Lanczos")
    assert same_picture(asked, plain)
    assert "Hires upscaler: R-ESRGAN 4x+" in asked["info"]["infotexts"][0]


def test_an_unknown_sampler_of_the_second_pass_becomes_dpmpp_2m_under_its_name(draw):
    hires = {"enable_hr": True, "denoising_strength": 0.6, "hr_second_pass_steps": 2, "hr_upscaler": "Latent"}
    asked, instead = draw(**hires, hr_sampler_name="NoSuch"), draw(**hires, hr_sampler_name="DPM++ 2M")
    assert same_picture(asked, instead)
    assert "Hires sampler: NoSuch" in asked["info"]["infotexts"][0]


@pytest.mark.parametrize(
    "field",
    [
        {"styles": ["nope"]},
        {"no_such_field": 1},
        {"firstphase_width": 128},
        {"restore_faces": True},
        {"do_not_save_samples": True},
    ],
    ids=str,
)
def test_a_field_that_the_webui_ignores_changes_nothing(draw, field):
    assert same_picture(draw(**field), draw())


@pytest.mark.parametrize(
    ("overrides", "stock_class"),
    [({"no_such_option": 1}, "KeyError"), ({"sd_model_checkpoint": ["tinyA"]}, "TypeError")],
)
def test_some_names_are_refused_aloud(client, draw, overrides, stock_class):
    answer = client.post("/sdapi/v1/txt2img", json={"prompt": "x", "override_settings": overrides})
    assert (answer.status_code, answer.json()["error"]) == (500, stock_class)
    draw()
