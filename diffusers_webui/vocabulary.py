"""Embeddings among the tokens of a prompt: finding their names, and putting their vectors in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from diffusers_webui.embeddings import Embedding


class Vocabulary:
    """Embeddings by the tokens of their names."""

    def __init__(self, embeddings: list[Embedding], tokenizer: Any):
        self.embeddings = embeddings
        self._by_first: dict[int, list[tuple[list[int], Embedding]]] = {}
        for one in embeddings:
            tokens = tokenizer(one.name, add_special_tokens=False, verbose=False).input_ids
            if tokens:
                self._by_first.setdefault(tokens[0], []).append((tokens, one))
        for names in self._by_first.values():
            names.sort(key=lambda name: -len(name[0]))  # of `art` and `art style` the longer one is meant

    def at(self, tokens: list[int], i: int) -> tuple[Embedding, int] | None:
        """The embedding whose name begins at the i-th token, and the tokens of its name."""
        for name, one in self._by_first.get(tokens[i], ()):
            if tokens[i : i + len(name)] == name:
                return one, len(name)
        return None


@contextmanager
def planted(network: Any, vectors: list[tuple[int, torch.Tensor]]) -> Iterator[None]:
    """While this holds, the text network reads these vectors from these tokens on instead of its own."""

    def replace(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        output = output.clone()
        for at, values in vectors:
            output[:, at : at + len(values)] = values.to(output)
        return output

    if not vectors:
        yield
        return
    hook = network.get_input_embeddings().register_forward_hook(replace)
    try:
        yield
    finally:
        hook.remove()
