"""Hires fix: a second pass at another size."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from diffusers_webui.hires import parameters_of, settle_hires
from diffusers_webui.listings import LATENT_UPSCALERS, UPSCALERS
from diffusers_webui.samplers import choose

BODY = {
    "enable_hr": True,
    "width": 64,
    "height": 96,
    "steps": 4,
    "denoising_strength": 0.5,
    "hr_scale": 2.0,
    "hr_resize_x": 0,
    "hr_resize_y": 0,
    "hr_second_pass_steps": 0,
    "hr_upscaler": "Latent",
    "hr_sampler_name": None,
    "hr_scheduler": None,
    "hr_checkpoint_name": None,
    "sampler_name": "Euler",
    "sampler_index": "Euler",
    "scheduler": None,
    "disable_extra_networks": False,
}


def settled(**change):
    return settle_hires(BODY | change, "a cat", "", choose("Euler", "Karras"))


@pytest.mark.parametrize(
    ("change", "grown", "final"),
    [
        ({}, (128, 192), (128, 192)),
        ({"hr_scale": 1.5}, (96, 144), (96, 144)),
        ({"hr_resize_x": 128}, (128, 192), (128, 192)),
        ({"hr_resize_y": 144}, (96, 144), (96, 144)),
        ({"hr_resize_x": 128, "hr_resize_y": 128}, (128, 192), (128, 128)),
        ({"hr_resize_x": 64, "hr_resize_y": 192}, (128, 192), (64, 192)),
    ],
)
def test_a_size_is_filled_and_what_is_too_much_cropped(change, grown, final):
    hires = settled(**change)
    assert (hires.grown_width, hires.grown_height) == grown
    assert (hires.width, hires.height) == final


@pytest.mark.parametrize("name", [*LATENT_UPSCALERS, *(one["name"] for one in UPSCALERS)])
def test_every_upscaler_gives_the_wanted_size(draw, name):
    drawn = draw(
        steps=2,
        enable_hr=True,
        hr_upscaler=name,
        denoising_strength=0.4,
        hr_resize_x=96,
        hr_resize_y=128,
        hr_second_pass_steps=1,
    )
    assert drawn["pictures"][0].size == (96, 128)
    assert np.asarray(drawn["pictures"][0], dtype=int).std() > 1
    assert (drawn["info"]["width"], drawn["info"]["height"]) == (64, 64)


def test_the_infotext_tells_the_second_pass(draw):
    drawn = draw(
        enable_hr=True,
        hr_upscaler="Lanczos",
        hr_scale=1.5,
        denoising_strength=0.5,
        hr_prompt="a blue star",
        hr_sampler_name="Heun",
        hr_scheduler="karras",
        hr_second_pass_steps=1,
        hr_checkpoint_name="tinyB",
    )
    told = drawn["info"]["infotexts"][0]
    for part in (
        "Size: 64x64",
        "Denoising strength: 0.5",
        "Hires sampler: Heun",
        "Hires prompt: a blue star",
        "Hires schedule type: Karras",
        "Hires upscale: 1.5",
        "Hires steps: 1",
        "Hires upscaler: Lanczos",
        "Hires checkpoint: tinyB [",
    ):
        assert part in told, told
    assert drawn["info"]["extra_generation_params"]["Hires prompt"] is None


def test_what_is_the_same_in_both_passes_is_not_told():
    assert list(parameters_of(BODY, None, None).items()) == [
        ("Denoising strength", 0.5),
        ("Hires prompt", None),
        ("Hires negative prompt", None),
        ("Hires schedule type", None),
        ("Hires upscale", 2.0),
        ("Hires upscaler", "Latent"),
    ]


@pytest.mark.parametrize(
    ("change", "stock_class", "message"),
    [
        ({"hr_upscaler": "NoSuch"}, "Exception", "could not find upscaler named NoSuch"),
        ({"hr_upscaler": "Latent"}, "TypeError", "NoneType"),
        ({}, "TypeError", "NoneType"),
        (
            {"hr_upscaler": "Latent", "denoising_strength": 0.5, "hr_checkpoint_name": "nope"},
            "Exception",
            "Could not find checkpoint with name nope",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_as_the_stock_webui_does(client, change, stock_class, message):
    body = {"prompt": "x", "width": 64, "height": 64, "steps": 1, "enable_hr": True}
    answer = client.post("/sdapi/v1/txt2img", json=body | change)
    assert (answer.status_code, answer.json()["error"]) == (500, stock_class)
    assert message in answer.json()["errors"]


def test_a_second_pass_that_may_change_nothing_gives_the_first_enlarged(draw):
    asked = {"enable_hr": True, "hr_upscaler": "Latent (nearest)", "hr_second_pass_steps": 2}
    little, much = (draw(**asked, denoising_strength=strength) for strength in (0.0, 0.9))
    base = np.asarray(draw()["pictures"][0].resize((128, 128)), dtype=int)
    distance = [abs(np.asarray(one["pictures"][0], dtype=int) - base).mean() for one in (little, much)]
    assert distance[0] < distance[1]


def test_a_lora_of_the_second_prompt_is_not_in_the_first_pass(draw):
    asked = {"enable_hr": True, "hr_upscaler": "Nearest", "hr_second_pass_steps": 2, "n_iter": 2}
    before = draw()
    draw(**asked, denoising_strength=0.6, hr_prompt="a red star <lora:blueprint:1>")
    assert draw()["images"] == before["images"]


def test_a_huge_second_pass_is_refused_before_anything_is_drawn(client):
    body = {"prompt": "x", "width": 64, "height": 64, "steps": 1, "enable_hr": True, "hr_upscaler": "Latent"}
    answer = client.post("/sdapi/v1/txt2img", json=body | {"denoising_strength": 0.5, "hr_scale": 4000})
    assert (answer.status_code, answer.json()["error"]) == (500, "RuntimeError")


def test_both_passes_are_counted(client, draw):
    draw(enable_hr=True, hr_upscaler="Latent", denoising_strength=0.5, n_iter=2)
    assert client.get("/sdapi/v1/progress").json()["state"]["job_no"] == 4


def test_an_interrupted_first_pass_is_given_as_it_is(client, draw, engine):
    with ThreadPoolExecutor() as pool:
        hires = {"enable_hr": True, "hr_upscaler": "Latent", "denoising_strength": 0.5}
        running = pool.submit(draw, steps=2000, **hires)
        end = time.monotonic() + 30
        while engine.state.sampling_step < 3 and time.monotonic() < end:
            time.sleep(0.005)
        client.post("/sdapi/v1/interrupt")
        assert running.result(timeout=30)["pictures"][0].size == (64, 64)
