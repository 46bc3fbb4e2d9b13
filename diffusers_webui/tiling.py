"""Pictures whose edges meet: convolutions that go on at the opposite edge."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from diffusers_webui.model import Model


@contextmanager
def tiled(*models: Model) -> Iterator[None]:
    """While this holds, what the models draw can be laid side by side without a seam."""
    networks = [network for model in models for network in (model.unet, model.vae)]
    layers = [layer for one in networks for layer in one.modules() if isinstance(layer, torch.nn.Conv2d)]
    before = [(layer, layer.padding_mode) for layer in layers]
    try:
        for layer in layers:
            layer.padding_mode = "circular"
        yield
    finally:
        for layer, mode in before:
            layer.padding_mode = mode
