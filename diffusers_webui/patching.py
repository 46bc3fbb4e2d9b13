"""LoRA weights in a loaded model: added for a drawing, taken out to the last bit."""

import logging
from pathlib import Path
from typing import Any

import torch

from diffusers_webui.errors import WebuiError
from diffusers_webui.loras import Wish
from diffusers_webui.model import Model
from diffusers_webui.original_names import original_names
from diffusers_webui.weights import Weights, read_weights

log = logging.getLogger(__name__)

#: weights of one module of a LoRA: up, down, and alpha / rank
Pair = tuple[torch.Tensor, torch.Tensor, float]


class Patcher:
    """Knows which LoRA a model carries. Plain weights are kept aside: taking out leaves no rounding."""

    def __init__(self, model: Model):
        self._modules = _modules_by_kohya_name(model)
        self._plain: dict[str, torch.Tensor] = {}
        self._carried: tuple[Wish, ...] = ()
        self._files: dict[Path, dict[str, Pair]] = {}

    @property
    def text_key(self) -> Any:
        """What the text encoder carries: text embeddings made under another key do not count."""
        return tuple((wish.lora, wish.text_weight) for wish in self._carried)

    def carry(self, wishes: list[Wish]) -> list[Wish]:
        """Make the model carry these LoRA and no other. Gives those that could be read.

        A broken file is left out and logged, as in the stock webui.
        """
        pairs = {wish: self._read(wish.lora) for wish in wishes}
        usable = tuple(wish for wish in wishes if pairs[wish] is not None)
        if usable != self._carried:
            self._take_out()
            for wish in usable:
                self._add(wish, pairs[wish] or {})
            self._carried = usable
        self._files = {path: self._files[path] for path in {wish.lora for wish in usable}}
        return list(usable)

    def _take_out(self) -> None:
        for name, plain in self._plain.items():
            self._modules[name].weight.data.copy_(plain)
        self._plain.clear()

    def _add(self, wish: Wish, pairs: dict[str, Pair]) -> None:
        for name, (up, down, scale) in pairs.items():
            module = self._modules.get(name)
            if module is None:
                continue
            weight = module.weight.data
            self._plain.setdefault(name, weight.clone())
            strength = wish.text_weight if name.startswith("lora_te") else wish.unet_weight
            change = _product(up.to(weight.device), down.to(weight.device)).reshape(weight.shape)
            weight.add_(change.to(weight), alpha=strength * scale)

    def _read(self, path: Path) -> dict[str, Pair] | None:
        if path not in self._files:
            try:
                self._files[path] = _pairs(read_weights(path))
            except (WebuiError, OSError, KeyError) as error:
                log.warning("LoRA %s cannot be read: %s", path.name, error)
                return None
        return self._files[path]


def _modules_by_kohya_name(model: Model) -> dict[str, Any]:
    """Every module with a weight, by the names that Kohya's trainer gives it."""
    originals = original_names(model.unet)
    named: dict[str, Any] = {}
    for name, module in _weighted(model.unet):
        for one in (name, originals.get(name, name)):
            named[f"lora_unet_{one}".replace(".", "_")] = module
    for text in model.texts:
        for name, module in _weighted(text.network):
            inner = name.removeprefix("text_model.")
            named[f"lora_{text.kohya_name}_text_model_{inner}".replace(".", "_")] = module
    return named


def _weighted(network: Any) -> list[tuple[str, Any]]:
    modules = network.named_modules()
    return [pair for pair in modules if isinstance(getattr(pair[1], "weight", None), torch.Tensor)]


def _pairs(weights: Weights) -> dict[str, Pair]:
    pairs: dict[str, Pair] = {}
    for key, down in weights.items():
        name, found, _ = key.partition(".lora_down.weight")
        if found:
            rank = down.shape[0]
            alpha = float(weights[f"{name}.alpha"]) if f"{name}.alpha" in weights else float(rank)
            pairs[name] = weights[f"{name}.lora_up.weight"].float(), down.float(), alpha / rank
    return pairs


def _product(up: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """up x down; both may be 1x1 or 3x3 convolutions."""
    return up.reshape(up.shape[0], -1) @ down.reshape(down.shape[0], -1)
