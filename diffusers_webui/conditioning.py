"""Prompt to text embedding: 75-token chunks, attention weights, clip skip.

Sources: stable-diffusion-webui modules/sd_hijack_clip.py, modules/sd_emphasis.py (`Original`).
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import torch

from diffusers_webui.embeddings import Embedding
from diffusers_webui.model import Model
from diffusers_webui.prompt import BREAK_WEIGHT, parse_attention
from diffusers_webui.text import Text, TextEncoder
from diffusers_webui.vocabulary import Vocabulary, planted

CHUNK = 75
_CACHE_SIZE = 32
#: the token under an embedding's vectors, which is never heard
_PLACEHOLDER = 0


@dataclass
class Chunk:
    """77 tokens with their weights, start and end tokens included."""

    tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    planted: list[tuple[int, Embedding]] = field(default_factory=list)  #: and the token that each begins at


class Conditioner:
    """Text embeddings of one loaded model; the last ones are kept, as most requests repeat a prompt."""

    def __init__(self, model: Model):
        self._model = model
        self._cache: OrderedDict[tuple[Any, ...], tuple[Text, list[Embedding]]] = OrderedDict()
        self._vocabulary = Vocabulary([], model.tokenizer)
        self.used: dict[str, Embedding] = {}  #: by name, what prompts have named since `learn`

    def learn(self, embeddings: list[Embedding]) -> None:
        """Know these embeddings by their names."""
        self.used = {}
        if embeddings != self._vocabulary.embeddings:
            self._vocabulary = Vocabulary(embeddings, self._model.tokenizer)
            self._cache.clear()

    def embed(self, prompt: str, clip_skip: int, comma_backtrack: int, weights_key: Any = None) -> Text:
        """The embedding of one prompt.

        weights_key: says which LoRA the text encoder carries, so that the cache does not mix them up.
        """
        key = (prompt, clip_skip, comma_backtrack, weights_key)
        if key not in self._cache:
            chunks = self._chunks(prompt, comma_backtrack)
            texts = [self._encode(chunk, clip_skip) for chunk in chunks]
            whole = Text(torch.cat([text.context for text in texts], dim=1), texts[0].pooled)
            self._cache[key] = whole, [one for chunk in chunks for _, one in chunk.planted]
            while len(self._cache) > _CACHE_SIZE:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        text, named = self._cache[key]
        self.used |= {one.name: one for one in named}
        return text

    def _chunks(self, prompt: str, comma_backtrack: int) -> list[Chunk]:
        tokenizer = self._model.tokenizer
        comma = tokenizer.convert_tokens_to_ids(",</w>")
        packer = _Packer(tokenizer.bos_token_id, tokenizer.eos_token_id, comma, comma_backtrack)
        for text, weight in parse_attention(prompt):
            if text == "BREAK" and weight == BREAK_WEIGHT:
                packer.close()
                continue
            self._pack(tokenizer(text, add_special_tokens=False, verbose=False).input_ids, weight, packer)
        return packer.finish()

    def _pack(self, tokens: list[int], weight: float, packer: "_Packer") -> None:
        i = 0
        while i < len(tokens):
            named = self._vocabulary.at(tokens, i)
            if named is None:
                packer.add(tokens[i], weight)
                i += 1
            else:
                packer.plant(named[0], weight)
                i += named[1]

    def _encode(self, chunk: Chunk, clip_skip: int) -> Text:
        heard = []
        for i, encoder in enumerate(self._model.texts):
            with planted(encoder.network, [(at, one.vectors[i][:CHUNK]) for at, one in chunk.planted]):
                heard.append(self._heard(encoder, chunk, clip_skip))
        return Text(torch.cat([text.context for text in heard], dim=-1), heard[-1].pooled)

    def _heard(self, encoder: TextEncoder, chunk: Chunk, clip_skip: int) -> Text:
        tokens, end = list(chunk.tokens), self._model.tokenizer.eos_token_id
        length = tokens.index(end) + 1
        tokens[length:] = [encoder.pad] * (len(tokens) - length)
        text = encoder.hear(torch.tensor([tokens], device=self._model.device), clip_skip)
        if all(weight == 1.0 for weight in chunk.weights):
            return text
        weights = torch.tensor(chunk.weights, device=self._model.device, dtype=text.context.dtype)
        weighted = text.context * weights[None, :, None]
        return Text(weighted * (text.context.mean() / weighted.mean()), text.pooled)


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
            # a planted one's place is counted from the start token
            before = [(at, one) for at, one in self._open.planted if at <= cut]
            behind = [(at - cut, one) for at, one in self._open.planted if at > cut]
            rest = Chunk(tokens[cut:], weights[cut:], behind)
            self._open = Chunk(tokens[:cut], weights[:cut], before)
            self.close()
            self._open = rest
        if len(self._open.tokens) == CHUNK:
            self.close()
        self._open.tokens.append(token)
        self._open.weights.append(weight)

    def plant(self, embedding: Embedding, weight: float) -> None:
        """Room for an embedding's vectors, all in one chunk."""
        count = min(embedding.count, CHUNK)
        if len(self._open.tokens) + count > CHUNK:
            self.close()
        self._open.planted.append((len(self._open.tokens) + 1, embedding))
        self._open.tokens += [_PLACEHOLDER] * count
        self._open.weights += [weight] * count

    def close(self) -> None:
        """Pad the open chunk and begin the next one."""
        missing = CHUNK - len(self._open.tokens)
        tokens = [self._start, *self._open.tokens, *[self._end] * (missing + 1)]
        weights = [1.0, *self._open.weights, *[1.0] * (missing + 1)]
        self._chunks.append(Chunk(tokens, weights, self._open.planted))
        self._open, self._last_comma = Chunk(), -1

    def finish(self) -> list[Chunk]:
        if self._open.tokens or not self._chunks:
            self.close()
        return self._chunks
