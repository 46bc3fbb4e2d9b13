"""A model that the packager puts into the bucket is one that the container fetches and lists alike."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from serve.fetch import Fetcher
from serve.model_index import ModelIndex
from tests.unit.model_files.weights import SD1, SD1_CONTROLNET, SD1_LORA, Shapes
from tests.unit.packager.random_trees import write_model
from webui_async.contract import keys
from webui_async.contract.catalog import CONTROLNET_ROUTE
from webui_async.contract.settings import ServeSettings
from webui_async.model_files.on_demand import with_models
from webui_async.packager.on_demand_models import add_models
from webui_async.store import Store

MODELS: list[Shapes] = [
    SD1,
    SD1_LORA,
    SD1_CONTROLNET,
    {"decoder.conv_in.weight": (8, 4, 3, 3)},
    {"emb_params": (2, 768)},
]


@pytest.fixture
def store() -> Iterator[Store]:
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="art", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield Store(s3, "art")


@pytest.mark.parametrize("shapes", MODELS)
def test_what_is_added_is_fetched_with_the_sha256_that_was_recorded(
    tmp_path: Path, store: Store, shapes: Shapes
) -> None:
    path = write_model(tmp_path / "ink.safetensors", shapes)
    (added,), _ = add_models([path], store)
    key = added.uri.removeprefix("s3://art/")
    settings = ServeSettings("art", "studio", fetched_dir=str(tmp_path / "fetched"))
    fetched = Fetcher(store, settings).fetch(key, tmp_path / "fetched" / "ink", threading.Event())
    assert fetched.sha256 == added.member.sha256
    assert (tmp_path / "fetched" / "ink").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("shapes", MODELS)
def test_packager_and_container_list_a_model_alike_but_for_its_hash(
    tmp_path: Path, store: Store, shapes: Shapes
) -> None:
    store.put_json(keys.catalog("studio"), {})
    add_models([write_model(tmp_path / "ink.safetensors", shapes)], store)
    index = ModelIndex(store)
    index.renew(0)
    assert _shape(store.get_json(keys.catalog("studio"))) == _shape(
        with_models({}, list(index.models.values()))
    )


def _shape(catalog: Any) -> Any:
    """The catalog with the fields of its entries alone: a container knows no hash before it fetches."""
    return {
        "controlnet": catalog[CONTROLNET_ROUTE],
        "embeddings": {name: sorted(entry) for name, entry in catalog["embeddings"]["loaded"].items()},
        "others": {
            route: [(sorted(entry), entry.get("name") or entry.get("model_name")) for entry in catalog[route]]
            for route in ("sd-models", "loras", "sd-vae")
        },
    }
