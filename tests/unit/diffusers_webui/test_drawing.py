"""What is drawn, and what a client sees while it is drawn."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from diffusers_webui.pictures import decode, encode, read_infotext


def pixels(picture: Image.Image):
    return np.asarray(picture.convert("RGB"), dtype=int)


def test_the_same_seed_draws_the_same_picture(draw):
    first, second, other = draw(seed=3), draw(seed=3), draw(seed=4)
    assert first["images"] == second["images"]
    assert (pixels(first["pictures"][0]) != pixels(other["pictures"][0])).any()


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a green circle"},
        {"steps": 4},
        {"cfg_scale": 3},
        {"cfg_scale": 1},
        {"negative_prompt": "red"},
        {"sampler_name": "Euler a"},
        {"scheduler": "karras"},
        {"prompt": "a (red:1.4) star"},
        {"prompt": "a red star <lora:blueprint:1>"},
        {"prompt": "a [red:blue:0.4] star"},
        {"prompt": "a [red|blue] star"},
        {"prompt": "a red star AND a blue circle :0.7"},
        {"prompt": "a red BREAK star"},
        {"negative_prompt": "[blue:red:2]"},
        {"subseed": 9, "subseed_strength": 0.5},
        {"override_settings": {"CLIP_stop_at_last_layers": 2}},
    ],
    ids=str,
)
def test_what_a_client_changes_changes_the_picture(draw, change):
    plain, changed = draw(steps=5), draw(**{"steps": 5} | change)
    assert (pixels(plain["pictures"][0]) != pixels(changed["pictures"][0])).any()


def test_a_batch_counts_its_seeds_up_and_each_picture_is_the_one_of_its_seed(draw):
    batch = draw(batch_size=2, n_iter=2, seed=5, sampler_name="Euler a")
    assert batch["info"]["all_seeds"] == [5, 6, 7, 8]
    alone = draw(seed=8, sampler_name="Euler a")
    assert abs(pixels(batch["pictures"][3]) - pixels(alone["pictures"][0])).max() <= 2


def test_a_lora_is_taken_out_to_the_last_bit(draw):
    before = draw()
    inked = draw(prompt="a red star <lora:blueprint:0.7> <lora:missing:1>")
    assert inked["info"]["extra_generation_params"]["Lora hashes"].startswith("blueprint: ")
    assert "missing" not in inked["info"]["extra_generation_params"]["Lora hashes"]
    assert draw()["images"] == before["images"]


def test_a_long_prompt_takes_more_chunks(draw):
    draw(prompt="a red star, " * 60, negative_prompt="blue")


def test_an_override_holds_for_one_request(draw):
    assert draw(override_settings={"sd_model_checkpoint": "tinyB"})["info"]["sd_model_name"] == "tinyB"
    assert draw()["info"]["sd_model_name"] == "tinyA"


def test_the_format_of_pictures_is_an_option_and_keeps_the_infotext(client, draw):
    for kind, opened in (("jpg", "JPEG"), ("webp", "WEBP")):
        client.post("/sdapi/v1/options", json={"samples_format": kind})
        drawn = draw(prompt="ein großer Stern")
        assert drawn["pictures"][0].format == opened
        text, _ = read_infotext(drawn["pictures"][0])
        assert text == drawn["info"]["infotexts"][0]


def test_saved_pictures_come_behind_their_grid(draw, model_tree):
    drawn = draw(batch_size=2, save_images=True)
    assert len(drawn["images"]) == 3 and drawn["info"]["index_of_first_image"] == 1
    assert len(list((model_tree / "data" / "outputs").rglob("*.png"))) == 2


def test_a_corrupt_checkpoint_leaves_the_loaded_one(client, draw):
    body = {"prompt": "x", "override_settings": {"sd_model_checkpoint": "trunc"}}
    answer = client.post("/sdapi/v1/txt2img", json=body)
    assert (answer.status_code, answer.json()["error"]) == (500, "SafetensorError")
    assert client.post("/sdapi/v1/options", json={"sd_model_checkpoint": "trunc"}).status_code == 200
    assert draw()["info"]["sd_model_name"] == "tinyA"


def test_an_unloaded_checkpoint_comes_back_when_it_is_needed(client, draw):
    assert client.post("/sdapi/v1/unload-checkpoint").json() == {}
    assert draw()["info"]["sd_model_name"] == "tinyA"


@pytest.mark.parametrize(
    "size",
    [{"width": 100_000, "height": 100_000}, {"width": 16384, "height": 16384}, {"batch_size": 100_000}],
    ids=str,
)
def test_an_absurd_size_is_refused_and_the_next_request_drawn(client, draw, size):
    answer = client.post("/sdapi/v1/txt2img", json={"prompt": "x", "steps": 1} | size)
    assert (answer.status_code, answer.json()["error"]) == (500, "RuntimeError")
    draw()


def test_img2img_stays_near_its_picture_the_less_it_may_change(draw, engine):
    red = encode(Image.new("RGB", (64, 64), (200, 30, 30)), engine.options)
    near = draw("img2img", init_images=[red], denoising_strength=0.1, steps=10)
    far = draw("img2img", init_images=[red], denoising_strength=1.0, steps=10)
    distance = [abs(pixels(one["pictures"][0]) - [200, 30, 30]).mean() for one in (near, far)]
    assert distance[0] < distance[1]


@pytest.mark.parametrize("full_res", [True, False])
@pytest.mark.parametrize("fill", [0, 1, 2, 3])
def test_outside_the_mask_nothing_changes(draw, engine, full_res, fill):
    picture = Image.new("RGB", (128, 128), (200, 30, 30))
    mask = Image.new("L", (128, 128))
    mask.paste(255, (0, 0, 64, 128))
    drawn = draw(
        "img2img",
        init_images=[encode(picture, engine.options)],
        mask=encode(mask, engine.options),
        width=128,
        height=128,
        inpaint_full_res=full_res,
        inpainting_fill=fill,
        steps=4,
        prompt="a blue background",
    )
    after = pixels(drawn["pictures"][0])
    assert after.shape == (128, 128, 3)
    assert abs(after[:, 96:] - [200, 30, 30]).max() <= 1
    assert abs(after[:, :32] - [200, 30, 30]).mean() > 1


def test_extras_enlarge_one_and_many(client, engine):
    small = encode(Image.new("RGB", (20, 10), (1, 2, 3)), engine.options)
    one = client.post("/sdapi/v1/extra-single-image", json={"image": small, "upscaler_1": "Nearest"}).json()
    assert decode(one["image"]).size == (40, 20)
    items = [{"data": small, "name": "a.png"}] * 2
    many = client.post(
        "/sdapi/v1/extra-batch-images",
        json={"imageList": items, "upscaler_1": "Lanczos", "upscaling_resize": 3},
    ).json()
    assert [decode(text).size for text in many["images"]] == [(60, 30)] * 2


def wait_for(condition, limit_s=30.0):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_progress_moves_shows_a_preview_and_stays_quick(client, draw):
    client.post("/sdapi/v1/options", json={"show_progress_every_n_steps": 5})
    seen, slowest = [], 0.0
    with ThreadPoolExecutor() as pool:
        drawing = pool.submit(draw, steps=60, width=128, height=128)
        while not drawing.done():
            begun = time.monotonic()
            seen.append(client.get("/sdapi/v1/progress").json())
            slowest = max(slowest, time.monotonic() - begun)
            time.sleep(0.01)
    client.post("/sdapi/v1/options", json={"show_progress_every_n_steps": 10})
    running = [one for one in seen if one["state"]["job"] == "scripts_txt2img"]
    fractions = [one["progress"] for one in running]
    assert len(set(fractions)) >= 5 and fractions == sorted(fractions)
    assert any(one["current_image"] for one in running)
    assert slowest < 1.0  # the goal of 20 ms is a bench, not a test
    idle = client.get("/sdapi/v1/progress").json()
    assert (idle["progress"], idle["state"]["job"], idle["state"]["job_no"]) == (0.0, "", 1)


def test_interrupt_ends_the_running_drawing_only(client, draw, engine):
    with ThreadPoolExecutor() as pool:
        running = pool.submit(draw, steps=2000, n_iter=4)
        wait_for(lambda: engine.state.sampling_step > 3)
        waiting = pool.submit(draw, steps=3)
        time.sleep(0.05)
        assert client.post("/sdapi/v1/interrupt").json() == {}
        stopped = running.result(timeout=30)
        assert len(waiting.result(timeout=30)["images"]) == 1
    assert len(stopped["images"]) == 1 and len(stopped["info"]["all_seeds"]) == 4
    assert "Steps: 2000" in stopped["info"]["infotexts"][0]


def test_skip_ends_one_batch_and_goes_on(client, draw, engine):
    with ThreadPoolExecutor() as pool:
        running = pool.submit(draw, steps=80, n_iter=2)
        wait_for(lambda: engine.state.sampling_step > 1)
        assert client.post("/sdapi/v1/skip").json() is None
        assert len(running.result(timeout=60)["images"]) == 2


def test_requests_are_drawn_in_the_order_in_which_they_came(draw, engine):
    ended: list[int] = []
    lock = threading.Lock()

    def one(number: int) -> None:
        draw(seed=number)
        with lock:
            ended.append(number)

    with ThreadPoolExecutor(max_workers=5) as pool:
        first = pool.submit(draw, steps=40)
        wait_for(lambda: engine.state.sampling_step > 2)
        for number in range(4):
            pool.submit(one, number)
            time.sleep(0.05)
        first.result(timeout=30)
    assert ended == [0, 1, 2, 3]
