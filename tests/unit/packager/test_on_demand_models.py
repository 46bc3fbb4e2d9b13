"""Models on demand: which files may be, under which names, and what the catalogs say of them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.model_files.weights import SD1, SD1_CONTROLNET, SD1_LORA, SDXL_LORA, Shapes, write_weights
from tests.unit.packager.random_trees import write_model
from tests.unit.packager.wire import BUCKET, Wire
from webui_async.contract import keys
from webui_async.contract.catalog import Facts, facts_of, weight_names
from webui_async.contract.errors import (
    BucketMissing,
    FileChanged,
    ModelFileError,
    NameTaken,
    StoreError,
    StoreUnreachable,
    UnknownModel,
)
from webui_async.packager.on_demand_models import add_models, read_model, remove_model
from webui_async.packager.progress import Progress
from webui_async.store import Store

VAE = {"decoder.conv_in.weight": (8, 4, 3, 3)}
EMBEDDING = {"emb_params": (2, 768)}
UPSCALER = {"conv_first.weight": (3, 3)}
CATALOG: Mapping[str, Any] = {
    "sd-models": [{"title": "own.safetensors [0123456789]", "model_name": "own", "hash": "0123456789"}],
    "loras": [{"name": "own-style", "alias": "own-style"}],
    "sd-vae": [],
    "embeddings": {"loaded": {"own-word": {"step": 1}}, "skipped": {}},
    "controlnet-models": ["own-canny [01234567]"],
    "samplers": [{"name": "Euler"}],
}


def put_catalog(store: Store, endpoint: str = "studio", **changes: Any) -> None:
    store.put_json(keys.catalog(endpoint), dict(CATALOG) | changes)


def catalog(store: Store, endpoint: str = "studio") -> dict[str, Any]:
    document = store.get_json(keys.catalog(endpoint))
    assert document is not None
    return document


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    return write_model(tmp_path / "ink.safetensors", SD1_LORA)


@pytest.mark.parametrize(
    ("shapes", "folder"),
    [
        (SD1, "Stable-diffusion"),
        (SD1_LORA, "Lora"),
        (VAE, "VAE"),
        (SD1_CONTROLNET, "ControlNet"),
        (EMBEDDING, "embeddings"),
    ],
)
def test_a_file_goes_where_its_tensors_say(tmp_path: Path, store: Store, shapes: Shapes, folder: str) -> None:
    path = write_model(tmp_path / "ink.safetensors", shapes)
    (added,), _ = add_models([path], store)
    key = f"models/{folder}/ink.safetensors"
    assert added.uri == f"s3://{BUCKET}/{key}" and not added.was_there
    assert store.get_bytes(key) == path.read_bytes()


def test_the_object_tells_its_hashes_type_family_and_precision(store: Store, lora: Path) -> None:
    (added,), _ = add_models([lora], store)
    head = store.head("models/Lora/ink.safetensors")
    assert head is not None
    assert head.metadata == {
        "sha256": added.member.sha256,
        "type": "LoRA",
        "family": "SD1",
        "precision": "fp16",
        "hash": added.member.short_hash,
    }


def test_weights_that_tell_nothing_go_where_one_says(tmp_path: Path, store: Store) -> None:
    path = write_weights(tmp_path / "ink.safetensors", {"x": (3,)})
    with pytest.raises(ModelFileError, match="say --folder Stable-diffusion or Lora"):
        add_models([path], store)
    (added,), _ = add_models([path], store, folder="Lora")
    assert added.uri.endswith("/models/Lora/ink.safetensors")


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("lora", "did you mean Lora?"),
        ("checkpoints", "did you mean Stable-diffusion?"),
        ("ESRGAN", "put it into a model pack"),
        ("../jobs", "put it into a model pack"),
        ("VAE", "is a LoRA and no VAE: move it to Lora/"),
    ],
)
def test_a_folder_that_cannot_be_is_refused_with_what_was_meant(lora: Path, folder: str, told: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        read_model(lora, folder)
    assert told in str(caught.value)


def test_upscalers_are_for_packs(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="put it into a model pack"):
        read_model(write_weights(tmp_path / "x4.safetensors", UPSCALER), None)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("ink.ckpt", pickle.dumps({"a": 1}), "is a pickle"),
        ("ink.pt", b"", "is empty"),
        ("ink.safetensors", b"<!doctype html>", "is a web page"),
        ("ink.safetensors", b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"),
        ("ink.safetensors", b"\x80\x02}q\x00.", "is a pickle under another name"),
        ("ink.yaml", b"model: {}", "can run code: only .safetensors"),
        ("ink.zip", b"PK", "is no model file: only .safetensors"),
        ("ink.SafeTensors", b"{}", "is no model file: only .safetensors"),
    ],
)
def test_what_is_no_safetensors_file_is_refused_with_the_reason(
    tmp_path: Path, wire: Wire, store: Store, name: str, content: bytes, told: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    wire.forget()
    with pytest.raises(ModelFileError) as caught:
        add_models([path], store)
    assert name in str(caught.value) and told in str(caught.value)
    assert wire.requests == []


def test_a_file_that_is_not_there_is_told_by_name(tmp_path: Path, store: Store) -> None:
    with pytest.raises(ModelFileError, match=r"ink\.safetensors cannot be read: No such file"):
        add_models([tmp_path / "ink.safetensors"], store)


@pytest.mark.parametrize("name", ["a:b", "a" * 200, ".ink"])
def test_names_that_no_prompt_can_say_or_no_endpoint_fetches_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelFileError):
        read_model(write_weights(tmp_path / f"{name}.safetensors", SD1_LORA), None)


def test_no_file_is_sent_when_one_of_them_is_bad(tmp_path: Path, store: Store, lora: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"cut")
    with pytest.raises(ModelFileError, match="bad"):
        add_models([lora, tmp_path / "bad.safetensors"], store)
    assert list(store.list("")) == []


def test_two_files_of_one_name_are_refused(tmp_path: Path, store: Store, lora: Path) -> None:
    other = write_model(tmp_path / "other" / "ink.safetensors", SD1_LORA)
    with pytest.raises(NameTaken, match="two of the files would be models/Lora/ink"):
        add_models([lora, other], store)


def test_a_taken_name_is_kept_unless_one_says_replace(tmp_path: Path, store: Store, lora: Path) -> None:
    put_catalog(store)
    add_models([lora], store)
    other = write_model(tmp_path / "other" / "ink.safetensors", SDXL_LORA)
    with pytest.raises(NameTaken, match="--replace"):
        add_models([other], store)
    assert store.get_bytes("models/Lora/ink.safetensors") == lora.read_bytes()
    add_models([other], store, replace=True)
    assert store.get_bytes("models/Lora/ink.safetensors") == other.read_bytes()
    assert [entry["name"] for entry in catalog(store)["loras"]] == ["own-style", "ink"]


def test_a_name_that_is_taken_while_the_file_is_sent_is_kept(wire: Wire, store: Store, lora: Path) -> None:
    def be_faster(request: str) -> None:
        if request.startswith("PUT models/"):
            wire.before = None
            store.put_bytes("models/Lora/ink.safetensors", b"theirs", "text/plain")

    wire.before = be_faster
    with pytest.raises(NameTaken):
        add_models([lora], store)
    assert store.get_bytes("models/Lora/ink.safetensors") == b"theirs"


def test_the_same_file_again_is_there_already(wire: Wire, store: Store, lora: Path) -> None:
    add_models([lora], store)
    wire.forget()
    (again,), _ = add_models([lora], store)
    assert again.was_there and wire.writes == []


def test_a_file_that_changes_while_it_is_sent_is_not_added(store: Store, lora: Path) -> None:
    class Changing(Progress):
        def start(self, what: str, total_bytes: int) -> None:
            if what == "sending":
                lora.write_bytes(lora.read_bytes()[::-1])

    with pytest.raises(FileChanged):
        add_models([lora], store, progress=Changing())
    assert list(store.list("")) == []


def test_a_bucket_that_is_not_there_is_told(wire: Wire, lora: Path) -> None:
    with pytest.raises(BucketMissing):
        add_models([lora], Store(wire.client, "arts"))


def test_a_network_that_is_gone_adds_nothing(wire: Wire, store: Store, lora: Path) -> None:
    put_catalog(store)
    wire.left = 0
    with pytest.raises(StoreUnreachable):
        add_models([lora], store)
    wire.forget()
    assert catalog(store) == CATALOG


@pytest.mark.parametrize(
    ("shapes", "route", "name"),
    [
        (SD1, "sd-models", "ink"),
        (SD1_LORA, "loras", "ink"),
        (VAE, "sd-vae", "ink.safetensors"),
        (SD1_CONTROLNET, "controlnet-models", "ink"),
        (EMBEDDING, "embeddings", "ink"),
    ],
)
def test_every_endpoints_catalog_lists_a_model_until_it_is_removed(
    tmp_path: Path, store: Store, shapes: Shapes, route: str, name: str
) -> None:
    for endpoint in ("studio", "sketch"):
        put_catalog(store, endpoint)
    before = weight_names(CATALOG, route)
    (added,), endpoints = add_models([write_model(tmp_path / "ink.safetensors", shapes)], store)
    assert endpoints == ["sketch", "studio"]
    for endpoint in endpoints:
        held = catalog(store, endpoint)
        assert weight_names(held, route) == [*before, name]
        assert facts_of(held, route, name) == Facts(
            added.member.family, added.member.short_hash, added.member.sha256, on_demand=True
        )
    _, endpoints = remove_model("ink", store)
    assert endpoints == ["sketch", "studio"]
    assert weight_names(catalog(store), route) == before and list(store.list("models/")) == []
    assert facts_of(catalog(store), route, name) == Facts()


def test_a_checkpoint_is_listed_by_the_names_that_the_webui_will_have_for_it(
    tmp_path: Path, store: Store
) -> None:
    put_catalog(store)
    add_models([write_model(tmp_path / "ink.safetensors", SD1)], store)
    listed = {"title": "ink.safetensors", "model_name": "ink", "hash": None, "sha256": None}
    assert catalog(store)["sd-models"][-1] == listed


def test_what_the_endpoint_wrote_meanwhile_stays_in_its_catalog(wire: Wire, store: Store, lora: Path) -> None:
    put_catalog(store)

    def serve_writes(request: str) -> None:
        if request.startswith("PUT catalog/"):
            wire.before = None
            put_catalog(store, samplers=[{"name": "DPM++ 2M"}])

    wire.before = serve_writes
    _, endpoints = add_models([lora], store)
    assert endpoints == ["studio"]
    assert catalog(store)["samplers"] == [{"name": "DPM++ 2M"}]
    assert catalog(store)["loras"][-1]["name"] == "ink"


def test_a_catalog_that_is_written_all_the_time_is_an_error(wire: Wire, store: Store, lora: Path) -> None:
    put_catalog(store)
    names = iter(range(100))

    def serve_writes(request: str) -> None:
        if request.startswith("PUT catalog/"):
            wire.before = None
            put_catalog(store, samplers=[{"name": str(next(names))}])
            wire.before = serve_writes

    wire.before = serve_writes
    with pytest.raises(StoreError, match=r"catalog/studio\.json is written to all the time"):
        add_models([lora], store)


@pytest.mark.parametrize("text", [b"{", b"[]"])
def test_a_catalog_that_is_none_is_told_by_name(store: Store, lora: Path, text: bytes) -> None:
    store.put_bytes(keys.catalog("studio"), text, "application/json")
    with pytest.raises(StoreError, match=r"catalog/studio\.json is no JSON"):
        add_models([lora], store)


def test_a_model_of_the_pack_stays_listed(tmp_path: Path, store: Store) -> None:
    put_catalog(store)
    add_models([write_model(tmp_path / "own-style.safetensors", SD1_LORA)], store)
    assert catalog(store) == CATALOG
    remove_model("own-style", store)
    assert catalog(store) == CATALOG


@pytest.mark.parametrize(
    "name", ["ink", "ink.safetensors", "Lora/ink", "Lora/ink.safetensors", "models/Lora/ink.safetensors"]
)
def test_a_model_is_removed_by_any_of_its_names(store: Store, lora: Path, name: str) -> None:
    add_models([lora], store)
    model, _ = remove_model(name, store)
    assert model.key == "models/Lora/ink.safetensors" and list(store.list("")) == []


def test_a_catalog_that_is_written_while_a_model_is_removed_does_not_keep_it(
    store: Store, lora: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_catalog(store)
    add_models([lora], store)
    listed, delete = catalog(store), store.delete

    def delete_late(key: str) -> None:
        store.put_json("catalog/studio.json", dict(listed))
        delete(key)

    monkeypatch.setattr(store, "delete", delete_late)
    remove_model("ink", store)
    assert catalog(store) == CATALOG


def test_a_name_that_nothing_has_is_told_with_what_is_there(store: Store, lora: Path) -> None:
    add_models([lora], store)
    with pytest.raises(UnknownModel, match=r'no model "inc" under models/; there are Lora/ink\.safetensors'):
        remove_model("inc", store)


def test_a_name_of_two_models_is_to_be_said_with_its_folder(tmp_path: Path, store: Store, lora: Path) -> None:
    add_models([lora, write_model(tmp_path / "vae" / "ink.safetensors", VAE)], store)
    with pytest.raises(UnknownModel, match=r"could be Lora/ink\.safetensors, VAE/ink\.safetensors: say"):
        remove_model("ink", store)
    assert remove_model("VAE/ink", store)[0].folder == "VAE"
