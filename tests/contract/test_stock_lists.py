"""The webui's lists stay the webui's: what can be fetched on demand stands in them as the webui writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from webui_async.contract.catalog import WEIGHT_LISTS, without_paths
from webui_async.model_files.families import ModelType
from webui_async.model_files.folders import FOLDERS
from webui_async.model_files.on_demand import LIST_OF, ModelObject, with_models

RECORDINGS = Path(__file__).parent / "recordings" / "stock_webui"


def recorded(route: str) -> Any:
    """The stock webui's own answer."""
    exchanges = json.loads((RECORDINGS / "routes.json").read_text())
    (answer,) = (one["response"] for one in exchanges if one["request"]["path"] == f"/sdapi/v1/{route}")
    return answer["json"]


@pytest.mark.parametrize(("folder", "route"), [("Stable-diffusion", "sd-models"), ("Lora", "loras")])
def test_what_can_be_fetched_has_the_fields_that_the_webui_answers(folder: str, route: str) -> None:
    stock = without_paths(recorded(route))
    catalog = with_models({route: stock}, [ModelObject(folder, "ink.safetensors", 1000, 0)])
    *own, added = catalog[route]
    assert own == stock
    unhashed = stock[-1]
    assert list(added) == list(unhashed)
    assert [type(value) for value in added.values()] == [type(value) for value in unhashed.values()]


def test_an_embedding_that_can_be_fetched_has_the_fields_of_the_webuis_own() -> None:
    """Source: EmbeddingItem in the webui's modules/api/models.py."""
    catalog = with_models(
        {"embeddings": recorded("embeddings")}, [ModelObject("embeddings", "calm.safetensors", 1000, 0)]
    )
    assert list(catalog["embeddings"]) == ["loaded", "skipped"]
    assert list(catalog["embeddings"]["loaded"]["calm"]) == [
        "step", "sd_checkpoint", "sd_checkpoint_name", "shape", "vectors",
    ]  # fmt: skip


def test_the_lists_say_of_their_files_what_a_manifest_says_of_them() -> None:
    types = {route: FOLDERS[folder] for folder, route in LIST_OF.items()}
    assert types == WEIGHT_LISTS and set(types.values()) < set(ModelType)
