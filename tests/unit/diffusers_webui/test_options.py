import json

import pytest

from diffusers_webui.errors import BrokenOption, UnknownOption
from diffusers_webui.options import Options


def test_overrides_are_undone_even_when_the_drawing_fails():
    options = Options()
    with pytest.raises(ZeroDivisionError), options.overridden({"CLIP_stop_at_last_layers": 2}, restore=True):
        assert options["CLIP_stop_at_last_layers"] == 2
        raise ZeroDivisionError
    assert options["CLIP_stop_at_last_layers"] == 1


def test_an_unknown_override_changes_nothing():
    options = Options()
    with pytest.raises(UnknownOption), options.overridden({"samples_format": "jpg", "nope": 1}, restore=True):
        pass
    assert options["samples_format"] == "png"


def test_whole_numbers_are_listed_as_floats_and_a_wrong_type_breaks_the_list():
    options = Options()
    assert options.listing()["jpeg_quality"] == 80.0
    assert isinstance(options.listing()["jpeg_quality"], float)
    options.set("jpeg_quality", "x")
    with pytest.raises(BrokenOption):
        options.listing()


def test_options_outlive_the_process(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"samples_format": "webp", "of_an_extension": 1}))
    options = Options(file)
    options.set("jpeg_quality", 90)
    options.set("api_enable_requests", False)
    options.save()
    kept = json.loads(file.read_text())
    assert (kept["samples_format"], kept["jpeg_quality"], kept["of_an_extension"]) == ("webp", 90, 1)
    assert kept["api_enable_requests"] is Options().defaults["api_enable_requests"]
