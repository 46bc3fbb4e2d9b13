from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest
import yaml

from serve.model_tree import ModelTree, check_families
from tests.unit.model_files.weights import (
    SD1,
    SD1_CONTROLNET,
    SD1_LORA,
    SDXL,
    SDXL_LORA,
    write_weights,
)
from webui_async.contract.catalog import Facts
from webui_async.contract.errors import BadModelPack, EngineBroken, FamilyMismatch, ModelFileError
from webui_async.contract.fields import Names
from webui_async.contract.manifest import Manifest, ManifestFile
from webui_async.contract.settings import ServeSettings
from webui_async.model_files.families import Family

DEMO = Path(__file__).resolve().parents[3] / "model_layout"


class Place:
    """A pack, an engine's folder and a folder of fetched files."""

    def __init__(self, root: Path, engine_uid: int = 0):
        self.pack, self.data, self.fetched = root / "pack", root / "data", root / "fetched"
        settings = ServeSettings(
            "art", "ink", model_dir=str(self.pack), data_dir=str(self.data), engine_uid=engine_uid
        )
        self.tree = ModelTree(settings)

    def seen(self) -> set[str]:
        """What the engine finds, links followed."""
        found = (Path(place, name) for place, _, names in os.walk(self.data) for name in names)
        return {str(path.relative_to(self.data)) for path in found if path.exists()}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    write_weights(place.pack / "Stable-diffusion" / "good.safetensors", SD1)
    return place


def cut(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_weights(path, SD1)
    os.truncate(path, 1234)


def test_the_engine_sees_the_demo_pack_where_it_looks(tmp_path: Path) -> None:
    (tmp_path / "pack").symlink_to(DEMO)
    place = Place(tmp_path)
    place.tree.build()
    models = "models/Stable-diffusion"
    assert place.seen() >= {
        f"{models}/tiny-painter.safetensors",
        f"{models}/tiny-painter.yaml",
        f"{models}/clip/vocab.json",
        "models/Lora/blueprint.safetensors",
    }
    assert (place.data / "embeddings").is_dir() and (place.data / "models" / "ESRGAN").is_dir()
    assert (place.data / "models/Lora/blueprint.safetensors").is_symlink()


def test_a_yaml_names_its_text_encoder_by_where_the_engine_sees_it(tmp_path: Path) -> None:
    (tmp_path / "pack").symlink_to(DEMO)
    place = Place(tmp_path)
    place.tree.build()
    copied = place.data / "models/Stable-diffusion/tiny-painter.yaml"
    document = yaml.safe_load(copied.read_text())
    original = yaml.safe_load((DEMO / "Stable-diffusion/tiny-painter.yaml").read_text())
    version = document["model"]["params"]["cond_stage_config"]["params"].pop("version")
    assert Path(version) == copied.parent / "clip" and (Path(version) / "vocab.json").exists()
    original["model"]["params"]["cond_stage_config"]["params"].pop("version")
    assert document == original and not copied.is_symlink()


def test_a_version_that_is_no_folder_beside_the_yaml_stays(place: Place) -> None:
    params = {
        "target": "ldm.modules.encoders.modules.FrozenCLIPEmbedder",
        "params": {"version": "openai/clip"},
    }
    document = {"model": {"params": {"cond_stage_config": params}}}
    (place.pack / "Stable-diffusion/good.yaml").write_text(yaml.safe_dump(document))
    place.tree.build()
    assert yaml.safe_load((place.data / "models/Stable-diffusion/good.yaml").read_text()) == document


def test_each_file_that_is_not_used_is_one_line_of_the_log(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    cut(place.pack / "Lora" / "cut.safetensors")
    (place.pack / "loras").mkdir()
    (place.pack / "Lora" / "old.pt").write_bytes(b"x")
    place.tree.build()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3 and not any("\n" in line for line in lines)
    assert "loras/ is not used; the webui knows only Lora/, letter for letter" in lines[0]
    assert "Lora/cut.safetensors is 1,234 bytes where its header promises" in lines[1]
    assert "Lora/old.pt is a pickle" in lines[2]
    assert place.seen() == {"models/Stable-diffusion/good.safetensors"}


def test_a_start_finds_what_the_pack_and_the_fetched_files_are_now(place: Place) -> None:
    write_weights(place.pack / "Lora" / "style" / "old.safetensors", SD1_LORA)
    ink = write_weights(place.fetched / "ink.safetensors", SD1_LORA)
    place.tree.build()
    place.tree.place("Lora", ink)
    (place.pack / "Lora" / "style" / "old.safetensors").unlink()
    (place.data / "models/Stable-diffusion/sneaked.yaml").write_text("model: {}")
    (place.data / "models/Stable-diffusion/good.yaml").write_text("model: {target: os.system}")
    (place.data / "models/Lora/engines-own.txt").write_text("x")
    for _ in range(2):
        place.tree.build()
        assert place.tree.family_of("Lora", "ink") is Family.SD1
        assert place.seen() == {
            "models/Stable-diffusion/good.safetensors",
            "models/Lora/ink.safetensors",
            "models/Lora/engines-own.txt",
        }
        assert not (place.data / "models/Lora/style/old.safetensors").is_symlink()


def test_a_folder_that_was_exchanged_for_a_link_is_made_again(place: Place, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (place.data / "models").mkdir(parents=True)
    (place.data / "models" / "Stable-diffusion").symlink_to(outside)
    place.tree.build()
    assert list(outside.iterdir()) == [] and "models/Stable-diffusion/good.safetensors" in place.seen()


def test_a_fetched_file_comes_and_goes(place: Place) -> None:
    ink = write_weights(place.fetched / "ink.safetensors", SDXL_LORA)
    place.tree.build()
    place.tree.place("Lora", ink)
    assert (
        "models/Lora/ink.safetensors" in place.seen() and place.tree.family_of("Lora", "ink") is Family.SDXL
    )
    place.tree.remove("Lora", "ink.safetensors")
    assert "models/Lora/ink.safetensors" not in place.seen() and place.tree.family_of("Lora", "ink") is None
    assert ink.exists()


def test_a_fetched_file_that_is_not_good_is_not_placed(place: Place) -> None:
    place.tree.build()
    cut(place.fetched / "ink.safetensors")
    with pytest.raises(ModelFileError, match="the download was cut"):
        place.tree.place("Lora", place.fetched / "ink.safetensors")
    checkpoint = write_weights(place.fetched / "ink.safetensors", SD1)
    with pytest.raises(ModelFileError, match="move it to Stable-diffusion/"):
        place.tree.place("Lora", checkpoint)
    assert place.seen() == {"models/Stable-diffusion/good.safetensors"}


def test_a_folder_that_the_engine_made_in_a_links_place_gives_way(place: Place) -> None:
    name = "models/Stable-diffusion/good.safetensors"
    for folder in (name, f"{name}.part"):
        (place.data / folder / "full").mkdir(parents=True)
    place.tree.build()
    assert place.seen() == {name} and (place.data / name).is_symlink()


def test_a_fetched_file_that_cannot_be_linked_is_not_known_and_no_fault_of_the_engine(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place.tree.build()
    ink = write_weights(place.fetched / "ink.safetensors", SD1_LORA)
    monkeypatch.setattr(Path, "symlink_to", refuse)
    with pytest.raises(OSError, match="No space left on device"):
        place.tree.place("Lora", ink)
    assert place.tree.family_of("Lora", "ink") is None


def test_a_fetched_file_never_takes_the_place_of_the_packs(place: Place) -> None:
    place.tree.build()
    other = write_weights(place.fetched / "good.safetensors", SDXL)
    place.tree.place("Stable-diffusion", other)
    place.tree.remove("Stable-diffusion", "good.safetensors")
    link = place.data / "models/Stable-diffusion/good.safetensors"
    assert link.readlink() == place.pack / "Stable-diffusion/good.safetensors"
    assert place.tree.family_of("Stable-diffusion", "good") is Family.SD1


def test_a_file_is_known_by_every_name_that_the_webui_has_for_it(place: Place) -> None:
    write_weights(
        place.pack / "Lora" / "style" / "ink.safetensors", SD1_LORA, metadata={"ss_output_name": "Ink v2"}
    )
    write_weights(place.pack / "ControlNet" / "canny.safetensors", SD1_CONTROLNET)
    place.tree.build()
    for folder, names in {
        "Stable-diffusion": ("good", "good.safetensors", "good.safetensors [0123456789]"),
        "Lora": ("ink", "style/ink", "style_ink", "style/ink.safetensors", "Ink v2"),
        "ControlNet": ("canny", "canny [0e4100b5]"),
    }.items():
        assert {place.tree.family_of(folder, name) for name in names} == {Family.SD1}, folder
    assert place.tree.family_of("Lora", "good") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the engine as another user")
def test_a_file_that_the_engines_user_may_not_read_is_told(tmp_path: Path) -> None:
    place = Place(tmp_path, engine_uid=10001)
    path = write_weights(place.pack / "Stable-diffusion" / "good.safetensors", SD1)
    path.chmod(0o640)
    assert "good.safetensors has mode 640, so the engine may not read it" in refused_pack(place)
    path.chmod(0o644)
    place.tree.build()


def refused_pack(place: Place) -> str:
    with pytest.raises(BadModelPack) as caught:
        place.tree.build()
    assert not caught.value.retryable and "\n" not in str(caught.value)
    return str(caught.value)


def test_a_pack_that_is_missing_or_empty_is_said(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert f"the model pack {place.pack} is not there" in refused_pack(place)
    place.pack.mkdir()
    told = refused_pack(place)
    assert f"the model pack {place.pack} is empty" in told
    assert "must" not in told and "Stable-diffusion/ with at least one whole .safetensors" in told


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("stable-diffusion", "has no folder Stable-diffusion/, but stable-diffusion/: rename that"),
        ("Lora", "has no folder Stable-diffusion/: it must have"),
        ("my/Stable-diffusion", "but my/Stable-diffusion/: pack what is in my/"),
        ("Stable-diffusion", "has no checkpoint: it must have"),
    ],
)
def test_a_pack_without_checkpoints_is_said_with_what_is_there(
    tmp_path: Path, folder: str, words: str
) -> None:
    place = Place(tmp_path)
    (place.pack / folder).mkdir(parents=True)
    (place.pack / folder / "README.md").write_text("x")
    assert words in refused_pack(place)


def test_a_pack_of_bad_checkpoints_tells_three_of_them(tmp_path: Path) -> None:
    place = Place(tmp_path)
    folder = place.pack / "Stable-diffusion"
    cut(folder / "a.safetensors")
    (folder / "b.ckpt").write_bytes(b"x")
    (folder / "c.safetensors").write_bytes(b"<html>")
    (folder / "d.safetensors").write_bytes(b"")
    told = refused_pack(place)
    assert "has no good checkpoint: Stable-diffusion/a.safetensors is 1,234 bytes" in told
    assert "b.ckpt is a pickle" in told and "c.safetensors is a web page" in told
    assert "d.safetensors" not in told and told.endswith("; and 1 more")


def test_a_vae_alone_is_no_checkpoint(tmp_path: Path) -> None:
    place = Place(tmp_path)
    vae = place.pack / "Stable-diffusion" / "a.vae.safetensors"
    write_weights(vae, {"decoder.conv_in.weight": (8, 4, 3, 3)})
    assert "has no checkpoint" in refused_pack(place)


def test_a_place_that_cannot_be_written_is_said(place: Place) -> None:
    below_a_file = str(place.pack / "Stable-diffusion" / "good.safetensors" / "data")
    settings = ServeSettings("art", "ink", model_dir=str(place.pack), data_dir=below_a_file, engine_uid=0)
    with pytest.raises(EngineBroken, match="cannot be laid out"):
        ModelTree(settings).build()


@pytest.fixture
def two_families(place: Place) -> Place:
    write_weights(place.pack / "Stable-diffusion" / "big.safetensors", SDXL)
    write_weights(place.pack / "Stable-diffusion" / "own.safetensors", {"novelty.weight": (1,)})
    write_weights(place.pack / "Lora" / "ink.safetensors", SD1_LORA)
    write_weights(place.pack / "Lora" / "inkXL.safetensors", SDXL_LORA)
    write_weights(place.pack / "Lora" / "odd.safetensors", {"lora_unet_x.lora_down.weight": (1, 1)})
    write_weights(place.pack / "ControlNet" / "canny.safetensors", SD1_CONTROLNET)
    place.tree.build()
    return place


@pytest.mark.parametrize(
    ("checkpoint", "loras", "controlnets"),
    [
        ("good", ["ink", "odd", "nobody"], ["canny [0e4100b5]"]),
        ("big", ["inkXL", "odd"], []),
        ("own", ["ink", "inkXL"], ["canny"]),
        ("nobody", ["ink", "inkXL"], ["canny"]),
        (None, ["ink", "inkXL"], ["canny"]),
    ],
)
def test_files_of_one_family_or_of_none_known_go_together(
    two_families: Place, checkpoint: str | None, loras: list[str], controlnets: list[str]
) -> None:
    names = Names(
        loras=[("prompt", name) for name in loras], controlnet_models=[("unit", name) for name in controlnets]
    )
    check_families(names, checkpoint, two_families.tree.family_of)


def test_a_lora_of_another_family_is_told_with_both_files(two_families: Place) -> None:
    names = Names(loras=[("prompt", "odd"), ("prompt", "ink")])
    with pytest.raises(FamilyMismatch) as caught:
        check_families(names, "big", two_families.tree.family_of)
    assert str(caught.value) == (
        "prompt: LoRA 'ink' is made for SD1, and checkpoint 'big' is SDXL. "
        "Choose a checkpoint of SD1, or a LoRA made for SDXL"
    )
    assert caught.value.http_status == 422 and caught.value.code == "family_mismatch"


def test_a_controlnet_model_of_another_family_is_told_with_its_field(two_families: Place) -> None:
    names = Names(controlnet_models=[("alwayson_scripts.controlnet.args[0].model", "canny")])
    with pytest.raises(FamilyMismatch, match=r"^alwayson_scripts.*ControlNet model 'canny' is made for SD1"):
        check_families(names, "big", two_families.tree.family_of)


def manifest_of(*paths: tuple[Path, str], root: Path) -> bytes:
    """A manifest that says of each file what the second one of a pair is: its hash."""
    files = (
        ManifestFile(path.relative_to(root).as_posix(), path.stat().st_size, "01" * 32, hash=known_by)
        for path, known_by in sorted(paths)
    )
    return Manifest("prefix", tuple(files)).to_bytes()


def test_what_the_packs_manifest_says_is_known_of_its_files(place: Place) -> None:
    lora = write_weights(place.pack / "Lora" / "style" / "ink.safetensors", SDXL_LORA)
    text = manifest_of((lora, "89abcdef0123"), root=place.pack)
    (place.pack / "manifest.json").write_bytes(text)
    place.tree.build()
    assert place.tree.facts_of("Lora", "ink") == Facts("SDXL", "89abcdef0123", "01" * 32)
    assert place.tree.facts_of("Stable-diffusion", "good") == Facts("SD1"), "it is not in the manifest"
    assert place.tree.facts_of("Lora", "other") is None
    assert not any("manifest" in name for name in place.seen())


def test_a_manifest_of_another_file_tells_nothing(place: Place) -> None:
    checkpoint = place.pack / "Stable-diffusion" / "good.safetensors"
    text = manifest_of((checkpoint, "0123456789"), root=place.pack)
    (place.pack / "manifest.json").write_bytes(text)
    write_weights(checkpoint, SDXL)
    place.tree.build()
    assert place.tree.facts_of("Stable-diffusion", "good") == Facts("SDXL")


@pytest.mark.parametrize("text", [b"", b"{}", b"\xff"])
def test_a_manifest_that_is_none_is_told_and_costs_only_the_hashes(
    place: Place, caplog: pytest.LogCaptureFixture, text: bytes
) -> None:
    (place.pack / "manifest.json").write_bytes(text)
    place.tree.build()
    assert place.tree.facts_of("Stable-diffusion", "good") == Facts("SD1")
    assert "its hashes are not known" in caplog.text


def test_a_fetched_file_is_one_on_demand(place: Place) -> None:
    place.tree.build()
    place.tree.place("Lora", write_weights(place.fetched / "ink.safetensors", SD1_LORA))
    assert place.tree.facts_of("Lora", "ink") == Facts("SD1", on_demand=True)
    place.tree.remove("Lora", "ink.safetensors")
    assert place.tree.facts_of("Lora", "ink") is None
