from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from webui_async.contract.errors import ModelFileError
from webui_async.model_files.yaml_targets import MAX_BYTES, TARGETS, check_yaml

DEMO = Path(__file__).resolve().parents[3] / "model_layout" / "Stable-diffusion" / "tiny-painter.yaml"
UNET = "ldm.modules.diffusionmodules.openaimodel.UNetModel"


def refusal(tmp_path: Path, text: str | bytes) -> str:
    path = tmp_path / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ModelFileError) as caught:
        check_yaml(path)
    assert caught.value.name == "a.yaml" and "\n" not in caught.value.reason
    return caught.value.reason


def test_the_demo_models_yaml_passes_as_it_is() -> None:
    assert check_yaml(DEMO) == yaml.safe_load(DEMO.read_text())


def test_a_configuration_of_sdxl_passes(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "model:\n"
        "  target: sgm.models.diffusion.DiffusionEngine\n"
        "  params:\n"
        "    disable_first_stage_autocast: True\n"
        "    monitor: val/rec_loss\n"
        "    conditioner_config:\n"
        "      target: sgm.modules.GeneralConditioner\n"
        "      params:\n"
        "        emb_models:\n"
        "        - input_key: txt\n"
        "          target: sgm.modules.encoders.modules.FrozenOpenCLIPEmbedder2\n"
        "          params: {arch: ViT-bigG-14, version: laion2b_s39b_b160k, freeze: true}\n"
        "    scheduler_config:\n"
        "      params: {f_start: [1.e-6], cycle_lengths: [10000000000000], use_checkpoint: null}\n"
    )
    assert check_yaml(path)["model"]["params"]["monitor"] == "val/rec_loss"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("{target: subprocess.getoutput}", 'model.target is "subprocess.getoutput"'),
        (f"{{target: {UNET}2}}", f'model.target is "{UNET}2"'),
        ("{target: UNetModel}", 'model.target is "UNetModel"'),
        ("{target: [a]}", "model.target is ['a']; it must name"),
        ("{params: [{target: os.system}]}", 'model.params[0].target is "os.system"'),
        ("{network_wrapper: os.system}", 'model.network_wrapper is "os.system"'),
        ("{version: '${oc.env:HOME}'}", 'model.version is "${oc.env:HOME}"'),
        ("{'${a}': 1}", 'has the key "${a}"'),
        ("{1: a}", "has the key 1"),
        ("{ckpt_path: evil}", 'model.ckpt_path is "evil"'),
        ("{clip_stats_path: evil}", "model.clip_stats_path"),
        ("{pretrained: evil}", "model.pretrained"),
        ("{version: /etc}", 'model.version is "/etc"; it must stay'),
        ("{version: ../other}", 'model.version is "../other"'),
        ("{version: a/../../b}", "must stay in the yaml's folder"),
        ("{version: ~/clip}", "must stay"),
        ("{arch: 'hf-hub:someone/model'}", "must stay"),
        ("{version: 'https://example.com/clip'}", "must stay"),
        (r"{version: 'a\b'}", "must stay"),
        ("{when: 2024-01-01}", 'model.when is "2024-01-01", a date'),
        ("{params: " + "[" * 30 + "]" * 30 + "}", "nested deeper than 20 levels"),
    ],
)
def test_what_reaches_past_the_webuis_own_classes_is_named_with_its_place(
    tmp_path: Path, lines: str, words: str
) -> None:
    assert words in refusal(tmp_path, f"model: {lines}\n")


def test_at_most_three_problems_are_told(tmp_path: Path) -> None:
    reason = refusal(tmp_path, "model: {a: os.a, b: os.b, c: os.c, d: os.d}\n")
    assert reason.count("is no class") == 3 and reason.endswith("; and 1 more")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model: !!python/object/apply:os.system [id]\n", "has a YAML tag in line 1"),
        ("a: &x 1\nmodel: *x\n", "has a YAML anchor in line 1"),
        ("model: {\n", "cannot be read as YAML"),
        ("a: 1\n---\nb: 2\n", "cannot be read as YAML"),
        (b"model: \xff\xff\n", "cannot be read as YAML"),
        ("model: 2024-99-99\n", "cannot be read as YAML"),
        ("x" * (MAX_BYTES + 1), "is larger than 100,000 bytes"),
        ("[" * 40_000, "nested deeper"),
        ("[]\n", "describes no model"),
        ("", "describes no model"),
        ("model: text\n", "describes no model"),
    ],
)
def test_what_is_no_plain_document_of_a_model_is_refused(
    tmp_path: Path, text: str | bytes, words: str
) -> None:
    assert words in refusal(tmp_path, text)


def test_a_yaml_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=re.escape("a.yaml cannot be read: No such file")):
        check_yaml(tmp_path / "a.yaml")


def test_every_target_is_one_of_the_webuis_own_modules_or_does_nothing() -> None:
    roots = {target.partition(".")[0] for target in TARGETS - {"torch.nn.Identity"}}
    assert roots == {"ldm", "sgm", "modules"}
