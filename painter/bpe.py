"""OpenAI CLIP's byte-pair tokenizer (49408 entries) for lower-case ASCII, with a cache of words.

The vocabulary, bpe_simple_vocab_16e6.txt.gz, is OpenAI CLIP's (MIT licence; its notice is in README.md).
`write_tokenizer` writes the files that transformers' CLIPTokenizer loads.
"""

import gzip
import itertools
import json
import re
from pathlib import Path

VOCABULARY_FILE = Path(__file__).with_name("bpe_simple_vocab_16e6.txt.gz")
VOCABULARY_SIZE = 49408
START, END, CONTEXT = 49406, 49407, 77
#: training puts this id where a word stands that the painter never uses; see checkpoint.quiet_unused_words
UNKNOWN = 49405

_NO_MERGE = 1 << 30
_WORDS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+")


def read_vocabulary(file: Path = VOCABULARY_FILE) -> tuple[dict[str, int], list[str]]:
    """Every token's id, and the merges ("a b") in the order they apply."""
    lines = gzip.decompress(file.read_bytes()).decode("utf-8").split("\n")
    merges = lines[1 : 49152 - 256 - 2 + 1]
    letters = list(_byte_letters().values())
    joined = ["".join(merge.split()) for merge in merges]
    tokens = [*letters, *(letter + "</w>" for letter in letters), *joined, "<|startoftext|>", "<|endoftext|>"]
    return {token: i for i, token in enumerate(tokens)}, merges


class Tokenizer:
    """Text to CLIP token ids."""

    def __init__(self) -> None:
        self._ids, merges = read_vocabulary()
        self._rank = {tuple(merge.split()): i for i, merge in enumerate(merges)}
        self._known: dict[str, list[int]] = {}

    def __call__(self, text: str) -> list[int]:
        """77 ids: the start, the text's, and ends to fill up."""
        return self.pad(self.ids(text))

    def ids(self, text: str) -> list[int]:
        """The text's ids alone."""
        return [token for word in _WORDS.findall(text.lower()) for token in self._word(word)]

    def pad(self, ids: list[int]) -> list[int]:
        """77 ids: the start, as many of `ids` as fit, and ends to fill up."""
        kept = ids[: CONTEXT - 2]
        return [START, *kept] + [END] * (CONTEXT - 1 - len(kept))

    def _word(self, word: str) -> list[int]:
        if word not in self._known:
            self._known[word] = [self._ids[part] for part in self._merge(word)]
        return self._known[word]

    def _merge(self, word: str) -> list[str]:
        """The word in as few parts as the merges allow, the earliest merge first."""
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            best = min(itertools.pairwise(parts), key=lambda pair: self._rank.get(pair, _NO_MERGE))
            if best not in self._rank:
                break
            parts = _join(parts, best)
        return parts


def write_tokenizer(folder: Path, vocabulary: Path = VOCABULARY_FILE) -> None:
    """vocab.json, merges.txt and the two config files, as transformers' CLIPTokenizer reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    ids, merges = read_vocabulary(vocabulary)
    end = "<|endoftext|>"
    special = {"bos_token": "<|startoftext|>", "eos_token": end, "unk_token": end, "pad_token": end}
    config = {
        **special,
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": CONTEXT,
        "do_lower_case": True,
        "add_prefix_space": False,
        "errors": "replace",
    }
    (folder / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=1))
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1))


def _byte_letters() -> dict[int, str]:
    """A printable letter for each of the 256 bytes, in the vocabulary's order."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable}
    return letters | {byte: chr(256 + n) for n, byte in enumerate(others)}


def _join(parts: list[str], pair: tuple[str, str]) -> list[str]:
    """`parts` with every occurrence of the pair made one."""
    joined, i = [], 0
    while i < len(parts):
        if tuple(parts[i : i + 2]) == pair:
            joined.append(pair[0] + pair[1])
            i += 2
        else:
            joined.append(parts[i])
            i += 1
    return joined
