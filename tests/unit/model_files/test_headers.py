from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError, safe_open

from tests.unit.model_files.weights import SD1, write_raw, write_weights
from webui_async.contract.errors import ModelFileError
from webui_async.model_files.headers import Tensor, read_header

MODELS = Path(__file__).resolve().parents[3] / "model_layout"


def refusal(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        read_header(path)
    assert caught.value.name == path.name and str(caught.value).startswith(f"{path.name} ")
    assert not caught.value.retryable and "\n" not in str(caught.value)
    return caught.value.reason


def entry(begin: Any, end: Any, dtype: str = "F16", shape: Any = (4,)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def test_a_header_tells_tensors_metadata_and_size(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "a.safetensors", {"w": (2, 3)}, "BF16", {"format": "pt"})
    header = read_header(path)
    assert header.tensors == {"w": Tensor("BF16", (2, 3))} and header.tensors["w"].size_bytes == 12
    assert header.metadata == {"format": "pt"} and header.size_bytes == path.stat().st_size


def test_the_demo_model_reads_as_the_safetensors_library_reads_it() -> None:
    path = MODELS / "Stable-diffusion" / "tiny-painter.safetensors"
    header = read_header(path)
    with safe_open(str(path), "np") as file:
        assert set(header.tensors) == set(file.keys())
        assert header.metadata == file.metadata()
        for name, tensor in header.tensors.items():
            assert list(tensor.shape) == file.get_slice(name).get_shape()


def test_a_cut_download_tells_both_lengths(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "a.safetensors", SD1)
    promised = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(1234)
    told = f"is 1,234 bytes where its header promises {promised:,}: the download was cut; fetch it again"
    assert refusal(path) == told


def test_a_download_cut_within_the_header_is_told(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "a.safetensors", SD1)
    with path.open("r+b") as file:
        file.truncate(100)
    assert "is 100 bytes where its header alone has" in refusal(path)


def test_bytes_behind_the_weights_are_told(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "a.safetensors", {"w": (4,)})
    path.write_bytes(path.read_bytes() + b"x")
    assert "more was appended" in refusal(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\n <!DOCTYPE html><html>log in</html>", "web page"),
        (b"<HTML><body>404</body>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n", "git lfs pull"),
        (b"PK\x03\x04" + bytes(60), "can run code"),
        (b"\x80\x02}q\x00." + b"\xff" * 60, "can run code"),
        (b"abc", "no safetensors file"),
        (bytes(100), "no safetensors file"),
        (struct.pack("<Q", 10**15) + b"{}", "no safetensors file"),
        (struct.pack("<Q", 4) + b"[{}]", "no safetensors file"),
        (struct.pack("<Q", 3) + b"{1}", "cannot be read (JSONDecodeError"),
        (struct.pack("<Q", 4) + b"{\xff\xff}", "cannot be read (UnicodeDecodeError"),
    ],
)
def test_what_is_no_safetensors_file_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    assert words in refusal(path)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"a": entry(0, 8), "b": entry(4, 12)}, 'tensor "b" begins at byte 4 of the weights instead of 8'),
        ({"a": entry(0, 8), "b": entry(12, 20)}, 'tensor "b" begins at byte 12 of the weights instead of 8'),
        ({"a": entry(4, 12)}, 'tensor "a" begins at byte 4'),
        ({"a": entry(0, 6)}, 'tensor "a" has 6 bytes instead of 8'),
        ({"a": entry(8, 0)}, 'tensor "a" begins at byte 8 of the weights instead of 0'),
        ({"a": entry(-8, 0)}, "data_offsets are [-8, 0]"),
        ({"a": entry(0, 8.0)}, "data_offsets are [0, 8.0]"),
        ({"a": entry(0, 8, dtype="F12")}, 'dtype is "F12"'),
        ({"a": entry(0, 8, dtype=["F16"])}, "TypeError"),  # type: ignore[arg-type]
        ({"a": entry(0, 8, shape=(-4,))}, "shape is [-4]"),
        ({"a": entry(0, 8, shape=(True, 4))}, "shape is [True, 4]"),
        ({"a": {"dtype": "F16", "shape": [4]}}, "'data_offsets' is missing"),
        ({"a": 7}, "TypeError"),
        ({"__metadata__": 7}, "AttributeError"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "RecursionError"),
    ],
)
def test_a_header_that_cannot_be_true_is_refused_as_the_library_refuses_it(
    tmp_path: Path, header: object, words: str
) -> None:
    path = write_raw(tmp_path / "a.safetensors", header, 20)
    assert words in refusal(path)
    with pytest.raises(SafetensorError):
        safe_open(str(path), "np")


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refusal(tmp_path / "a.safetensors")
    assert "cannot be read: Is a directory" in refusal(tmp_path)
