"""What a bucket holds, as it is listed."""

from __future__ import annotations

from pathlib import Path

from tests.unit.model_files.weights import SD1_LORA
from tests.unit.packager.random_trees import write_model, write_tree
from tests.unit.packager.wire import BUCKET, Wire
from webui_async.packager.listing import list_models, list_packs, models_table, packs_table
from webui_async.packager.on_demand_models import add_models
from webui_async.packager.places import PackPlace
from webui_async.packager.push import push
from webui_async.store import Store


def test_packs_are_listed_with_every_version_and_its_place(tmp_path: Path, wire: Wire, store: Store) -> None:
    root = write_tree(tmp_path, loras=1)
    place = PackPlace(BUCKET, "ink")
    uris = [push(root, place, wire.client, form=form).uri for form in ("prefix", "tar.gz")]
    packs = list_packs(store)
    assert {store.uri(pack.key) for pack in packs} == set(uris)
    assert {(pack.form, pack.files) for pack in packs} == {("prefix", 2), ("tar.gz", 1)}
    table = packs_table(packs, store)
    assert all(uri in table for uri in uris) and "unfinished" not in table


def test_a_version_without_a_manifest_is_told_to_be_unfinished(store: Store) -> None:
    store.put_bytes("packs/ink/0123456789ab/Lora/a.safetensors", b"a", "text/plain")
    (pack,) = list_packs(store)
    assert pack.finished is None and "unfinished" in packs_table([pack], store)


def test_models_are_listed_with_what_they_are(tmp_path: Path, store: Store) -> None:
    (added,), _ = add_models([write_model(tmp_path / "ink.safetensors", SD1_LORA)], store)
    store.put_bytes("models/Lora/by-hand.safetensors", b"a", "text/plain")
    store.put_bytes("models/README.md", b"a", "text/plain")
    lines = models_table(list_models(store)).splitlines()
    assert lines[1].split() == ["Lora/by-hand.safetensors", "1", "B", "none:", "add", "it", "again"]
    assert lines[2].split()[:4] == ["Lora/ink.safetensors", "LoRA", "SD1", "fp16"]
    assert lines[2].endswith(added.member.sha256 or "?") and len(lines) == 3


def test_an_empty_bucket_has_empty_tables(store: Store) -> None:
    assert len(packs_table(list_packs(store), store).splitlines()) == 1
    assert len(models_table(list_models(store)).splitlines()) == 1
