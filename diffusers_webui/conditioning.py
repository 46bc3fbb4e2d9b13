"""Prompt to text embedding: 75-token chunks, attention weights, clip skip.

Sources: stable-diffusion-webui modules/sd_hijack_clip.py, modules/sd_emphasis.py (`Original`).
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import torch

from diffusers_webui.model import Model
from diffusers_webui.prompt import BREAK_WEIGHT, parse_attention

CHUNK = 75
_CACHE_SIZE = 32


@dataclass
class Chunk:
    """77 tokens with their weights, start and end tokens included."""

    tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)


class Conditioner:
    """Text embeddings of one loaded model; the last ones are kept, as most requests repeat a prompt."""

    def __init__(self, model: Model):
        self._model = model
        self._cache: OrderedDict[tuple[Any, ...], torch.Tensor] = OrderedDict()

    def embed(
        self, prompt: str, clip_skip: int, comma_backtrack: int, weights_key: Any = None
    ) -> torch.Tensor:
        """The embedding of one prompt, shape (1, 77 x chunks, width).

        weights_key: says which LoRA the text encoder carries, so that the cache does not mix them up.
        """
        key = (prompt, clip_skip, comma_backtrack, weights_key)
        if key not in self._cache:
            chunks = self._chunks(prompt, comma_backtrack)
            self._cache[key] = torch.cat([self._encode(chunk, clip_skip) for chunk in chunks], dim=1)
            while len(self._cache) > _CACHE_SIZE:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return self._cache[key]

    def _chunks(self, prompt: str, comma_backtrack: int) -> list[Chunk]:
        tokenizer = self._model.tokenizer
        comma = tokenizer.convert_tokens_to_ids(",</w>")
        packer = _Packer(tokenizer.bos_token_id, tokenizer.eos_token_id, comma, comma_backtrack)
        for text, weight in parse_attention(prompt):
            if text == "BREAK" and weight == BREAK_WEIGHT:
                packer.close()
                continue
            for token in tokenizer(text, add_special_tokens=False, verbose=False).input_ids:
                packer.add(token, weight)
        return packer.finish()

    def _encode(self, chunk: Chunk, clip_skip: int) -> torch.Tensor:
        model = self._model
        tokens = torch.tensor([chunk.tokens], device=model.device)
        output = model.text_encoder(input_ids=tokens, output_hidden_states=True)
        z: torch.Tensor = output.last_hidden_state
        if clip_skip > 1:
            inner = getattr(model.text_encoder, "text_model", model.text_encoder)
            z = inner.final_layer_norm(output.hidden_states[-clip_skip])
        if all(weight == 1.0 for weight in chunk.weights):
            return z
        weights = torch.tensor(chunk.weights, device=model.device, dtype=z.dtype)
        weighted = z * weights[None, :, None]
        return weighted * (z.mean() / weighted.mean())


class _Packer:
    """Fills chunks with tokens; a chunk that is full breaks at the last comma when that is near."""

    def __init__(self, start: int, end: int, comma: int, comma_backtrack: int):
        self._start, self._end, self._comma, self._backtrack = start, end, comma, comma_backtrack
        self._chunks: list[Chunk] = []
        self._open = Chunk()
        self._last_comma = -1

    def add(self, token: int, weight: float) -> None:
        tokens, weights = self._open.tokens, self._open.weights
        if token == self._comma:
            self._last_comma = len(tokens)
        elif (
            len(tokens) == CHUNK
            and 0 <= self._last_comma
            and len(tokens) - self._last_comma <= self._backtrack
        ):
            cut = self._last_comma + 1
            rest = Chunk(tokens[cut:], weights[cut:])
            self._open = Chunk(tokens[:cut], weights[:cut])
            self.close()
            self._open = rest
        if len(self._open.tokens) == CHUNK:
            self.close()
        self._open.tokens.append(token)
        self._open.weights.append(weight)

    def close(self) -> None:
        """Pad the open chunk and begin the next one."""
        missing = CHUNK - len(self._open.tokens)
        tokens = [self._start, *self._open.tokens, *[self._end] * (missing + 1)]
        weights = [1.0, *self._open.weights, *[1.0] * (missing + 1)]
        self._chunks.append(Chunk(tokens, weights))
        self._open, self._last_comma = Chunk(), -1

    def finish(self) -> list[Chunk]:
        if self._open.tokens or not self._chunks:
            self.close()
        return self._chunks
