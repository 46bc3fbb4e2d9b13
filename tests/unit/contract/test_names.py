"""What a payload names: checkpoints, LoRAs, samplers as the webui reads them."""

from __future__ import annotations

import pytest

from tests.unit.contract.refusals import read
from webui_async.contract import fields
from webui_async.contract.payload import Kind, parse_payload

TXT2IMG = Kind.TXT2IMG


@pytest.mark.parametrize(
    ("prompt", "loras"),
    [
        ("a <lora:ink:1> b", ["ink"]),
        ("<lora:ink>", ["ink"]),
        ("<lora:ink:0.5:0.7>", ["ink"]),
        ("<lora:ink:te=0.5:unet=0.7:dyn=4>", ["ink"]),
        ("<lora:te=0.5:ink:1>", ["ink"]),
        ("<lyco:ink:1>", ["ink"]),
        ("<lora:style/ink v2:1><lora:b:1>", ["style/ink v2", "b"]),
        ("[<lora:a:1>:<lora:b:1>:0.5]", ["a", "b"]),
        ("<lora: ink:1>", [" ink"]),
        ("<lora::1>", [""]),
        ("<LORA:ink:1>", ["<LORA:ink:1>"]),
        ("<hypernet:ink:1>", ["<hypernet:ink:1>"]),
        ("<lora:a=b>", ["<lora:a=b>"]),
        ("a < b > c, <b>bold</b>, <lora:>, <3", []),
        ("<lora:a\nb:1>", ["a\nb"]),
    ],
)
def test_loras_are_read_as_the_webui_reads_them(prompt: str, loras: list[str]) -> None:
    assert fields.loras_in(prompt) == loras


def test_every_name_is_found_with_its_field() -> None:
    names = parse_payload(
        TXT2IMG,
        {
            "prompt": "<lora:a:1>",
            "hr_prompt": "<lora:b:1>",
            "negative_prompt": "<lora:ignored:1>",
            "override_settings": {"sd_model_checkpoint": "ink", "sd_vae": "soft"},
            "refiner_checkpoint": "fine",
            "hr_checkpoint_name": "Use same checkpoint",
            "hr_sampler_name": "Euler",
            "hr_scheduler": "Use same scheduler",
            "sampler_name": "DPM++ 2M Karras",
            "hr_upscaler": "Latent",
            "alwayson_scripts": {"Soft Inpainting": {}},
        },
    ).names
    assert names.loras == [("prompt", "a"), ("hr_prompt", "b")]
    assert names.checkpoints == [
        ("override_settings.sd_model_checkpoint", "ink"),
        ("refiner_checkpoint", "fine"),
    ]
    assert names.vaes == [("override_settings.sd_vae", "soft")]
    assert names.samplers == [("sampler_name", "DPM++ 2M"), ("hr_sampler_name", "Euler")]
    assert names.schedulers == [("scheduler", "Karras")]
    assert names.upscalers == [("hr_upscaler", "Latent")]
    assert names.scripts == [("alwayson_scripts.soft inpainting", "soft inpainting")]


def test_an_empty_checkpoint_is_a_name_that_no_endpoint_holds() -> None:
    names = parse_payload(TXT2IMG, {"override_settings": {"sd_model_checkpoint": ""}}).names
    assert names.checkpoints == [("override_settings.sd_model_checkpoint", "")]


def test_without_extra_networks_a_lora_is_plain_text() -> None:
    assert parse_payload(TXT2IMG, {"prompt": "<lora:a:1>", "disable_extra_networks": True}).names.loras == []


@pytest.mark.parametrize(
    ("given", "sampler", "scheduler"),
    [
        ({"sampler_name": "DPM++ 2M Karras"}, "DPM++ 2M", "Karras"),
        ({"sampler_name": "DPM++ 2M SDE Exponential"}, "DPM++ 2M SDE", "Exponential"),
        ({"sampler_name": "DPM++ 2M SGM Uniform"}, "DPM++ 2M", "SGM Uniform"),
        ({"sampler_name": "DPM++ 2M karras"}, "DPM++ 2M", "Karras"),
        ({"sampler_name": "DPM++ 2M Karras", "scheduler": "Uniform"}, "DPM++ 2M", "Uniform"),
        ({"sampler_index": "Euler a"}, "Euler a", None),
        ({"sampler_index": "Euler", "sampler_name": "DDIM"}, "DDIM", None),
        ({"sampler_name": "Karras"}, "Karras", None),
    ],
)
def test_old_sampler_names_are_sampler_and_scheduler(
    given: dict[str, str], sampler: str, scheduler: str | None
) -> None:
    body = read(given)
    assert (body["sampler_name"], body.get("scheduler")) == (sampler, scheduler)
    assert "sampler_index" not in body
