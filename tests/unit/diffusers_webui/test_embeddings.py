"""Textual inversion, from the file to the picture."""

import hashlib
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from diffusers_webui.embeddings import EmbeddingFolder
from diffusers_webui.hashes import HashCache


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "embeddings").mkdir()
    return tmp_path / "embeddings"


def opened(folder):
    return EmbeddingFolder(folder, HashCache(folder.parent / "cache"))


@pytest.mark.parametrize(
    ("content", "widths", "count"),
    [
        ({"emb_params": torch.ones(3, 8)}, [8], 3),
        ({"<word>": torch.ones(8)}, [8], 1),
        ({"string_to_param": {"*": torch.nn.Parameter(torch.ones(2, 8))}, "step": 5}, [8], 2),
        ({"clip_g": torch.ones(2, 16), "clip_l": torch.ones(2, 8)}, [8, 16], 2),
    ],
)
def test_every_form_of_pickle_is_read(folder, content, widths, count):
    torch.save(content, folder / "one.pt")
    [one] = opened(folder).fitting(widths)
    assert (one.name, one.count, one.listing()["shape"]) == ("one", count, sum(widths))
    assert one.listing()["step"] == content.get("step")


def test_the_hash_is_of_the_file(folder):
    save_file({"emb_params": torch.ones(1, 8)}, folder / "one.safetensors")
    [one] = opened(folder).fitting([8])
    assert one.short_hash == hashlib.sha256((folder / "one.safetensors").read_bytes()).hexdigest()[:12]


class Evil:
    def __reduce__(self):
        return (open, ("executed", "w"))


@pytest.mark.parametrize(
    "content",
    [
        b"junk",
        b"",
        pickle.dumps([1]),
        pickle.dumps({"a": 1}),
        pickle.dumps({"string_to_param": {"*": Evil()}}),
    ],
)
def test_a_file_that_is_none_is_left_out_unexecuted(folder, content, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "bad.pt").write_bytes(content)
    save_file({"emb_params": torch.ones(1, 8)}, folder / "good.safetensors")
    assert [one.name for one in opened(folder).fitting([8])] == ["good"]
    assert not (folder / "executed").exists()


def test_files_that_come_later_are_seen(folder):
    embeddings = opened(folder)
    assert embeddings.fitting([8]) == []
    save_file({"emb_params": torch.ones(1, 8)}, folder / "late.safetensors")
    assert [one.name for one in embeddings.fitting([8])] == ["late"]


def test_the_list_says_what_fits_the_loaded_checkpoint(client):
    listing = client.get("/sdapi/v1/embeddings").json()
    notes = {"step": 100, "sd_checkpoint": "abc", "sd_checkpoint_name": "tiny"}
    assert listing["loaded"]["zorkpt"] == {**notes, "shape": 64, "vectors": 2}
    assert listing["loaded"].keys() == {"zork", "zorkpt"} and listing["skipped"].keys() == {"wide"}
    assert client.post("/sdapi/v1/refresh-embeddings").json() is None


@pytest.mark.parametrize("name", ["zork", "ZORK", "zorkpt"])
def test_a_name_in_the_prompt_means_its_vectors(draw, name):
    words, named = draw(prompt="a red star on white"), draw(prompt=f"a {name} on white")
    pictures = [np.asarray(one["pictures"][0], dtype=int) for one in (words, named)]
    assert (pictures[0] == pictures[1]).all()
    assert named["info"]["extra_generation_params"]["TI hashes"].startswith(f"{name.lower()}: ")
    assert f'TI hashes: "{name.lower()}: ' in named["info"]["infotexts"][0]


def test_it_works_in_the_negative_prompt_and_under_weights(draw):
    drawn = draw(prompt="a (zork:1.2)", negative_prompt="zorkpt")
    assert drawn["info"]["extra_generation_params"]["TI hashes"].count(": ") == 2


def test_one_that_does_not_fit_is_plain_text(draw):
    assert "TI hashes" not in draw(prompt="wide red star")["info"]["extra_generation_params"]
