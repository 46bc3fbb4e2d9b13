"""One running engine for all these tests: the demo model under the names that the recordings use."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from diffusers_webui.app import build_app
from diffusers_webui.arguments import parse
from diffusers_webui.engine import Engine

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as __main__ does, before torch is imported

STYLES = 'name,prompt,negative_prompt\nfoggy,"{prompt}, in fog",sharp\nflat,a flat thing,\n'

MODELS = Path(__file__).parents[3] / "model_layout"


@pytest.fixture(scope="session")
def model_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints tinyA and tinyB, a truncated one, a LoRA: links to the demo model. Styles, embeddings."""
    tree = tmp_path_factory.mktemp("models")
    for folder in ("ckpt", "lora", "vae", "data", "embeddings"):
        (tree / folder).mkdir()
    demo = MODELS / "Stable-diffusion"
    for name in ("tinyA", "tinyB"):
        (tree / "ckpt" / f"{name}.safetensors").symlink_to(demo / "tiny-painter.safetensors")
        (tree / "ckpt" / f"{name}.yaml").symlink_to(demo / "tiny-painter.yaml")
    (tree / "ckpt" / "clip").symlink_to(demo / "clip")
    with (demo / "tiny-painter.safetensors").open("rb") as whole:
        (tree / "ckpt" / "trunc.safetensors").write_bytes(whole.read(200_000))
    (tree / "lora" / "blueprint.safetensors").symlink_to(MODELS / "Lora" / "blueprint.safetensors")
    (tree / "data" / "styles.csv").write_text(STYLES)
    _write_embeddings(tree / "embeddings", demo)
    return tree


def _write_embeddings(folder: Path, demo: Path) -> None:
    """`zork` and `zorkpt` are the demo model's own words "red star"; `wide` is for larger models."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import CLIPTokenizer

    words = load_file(demo / "tiny-painter.safetensors")[
        "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
    ]
    tokens = CLIPTokenizer.from_pretrained(demo / "clip", local_files_only=True)("red star").input_ids[1:-1]
    vectors = words[tokens].clone()
    save_file({"emb_params": vectors}, folder / "zork.safetensors")
    save_file({"emb_params": torch.ones(3, 768)}, folder / "wide.safetensors")
    trained = {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": "x", "step": 100}
    torch.save(trained | {"sd_checkpoint": "abc", "sd_checkpoint_name": "tiny"}, folder / "zorkpt.pt")
    (folder / "broken.pt").write_bytes(b"junk")


@pytest.fixture(scope="session")
def engine(model_tree: Path) -> Engine:
    settings = parse(
        [f"--{key}-dir={model_tree / key}" for key in ("ckpt", "lora", "vae", "data", "embeddings")]
    )
    engine = Engine(settings)
    engine.start()
    return engine


@pytest.fixture(scope="session")
def running(engine: Engine) -> Iterator[TestClient]:
    with TestClient(build_app(engine)) as client:
        assert client.post("/sdapi/v1/reload-checkpoint").json() == {}
        yield client


@pytest.fixture
def client(running: TestClient) -> Iterator[TestClient]:
    """The engine, with its first checkpoint and default options again afterwards."""
    yield running
    running.post("/sdapi/v1/options", json={"sd_model_checkpoint": "tinyA", "samples_format": "png"})


@pytest.fixture
def draw(client: TestClient) -> Callable[..., dict[str, Any]]:
    """Draw 64x64 in 2 steps; gives the answer with `info` read and `pictures` opened."""

    def drawn(kind: str = "txt2img", **fields: Any) -> dict[str, Any]:
        body = {"prompt": "a red star", "width": 64, "height": 64, "steps": 2, "seed": 1} | fields
        answer = client.post(f"/sdapi/v1/{kind}", json=body)
        assert answer.status_code == 200, answer.text[:500]
        result: dict[str, Any] = answer.json()
        result["info"] = json.loads(result["info"])
        result["pictures"] = [Image.open(BytesIO(base64.b64decode(text))) for text in result["images"]]
        return result

    return drawn
