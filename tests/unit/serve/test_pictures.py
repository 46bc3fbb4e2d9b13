from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from serve.pictures import parse_reply, read_info, read_pictures
from tests.unit.serve.fakes import png, reply
from webui_async.contract.errors import EngineReplyError
from webui_async.contract.payload import Kind


def picture(width: int) -> str:
    return b64encode(png(width)).decode()


def order(document: dict[str, Any]) -> list[tuple[int, int | None]]:
    return [(item.width, item.seed) for item in read_pictures(Kind.TXT2IMG, document, read_info(document))]


def test_every_picture_has_its_seed() -> None:
    document = reply() | {"images": [picture(8), picture(16)], "info": json.dumps({"all_seeds": [5, 6]})}
    assert order(document) == [(8, 5), (16, 6)]


def test_a_grid_comes_after_the_pictures_it_is_made_of() -> None:
    info = json.dumps({"all_seeds": [5, 6], "index_of_first_image": 1})
    document = {"images": [picture(24), picture(8), picture(16)], "info": info}
    assert order(document) == [(8, 5), (16, 6), (24, None)]


def test_a_controlnet_map_has_no_seed() -> None:
    document = {"images": [picture(8), picture(32)], "info": json.dumps({"all_seeds": [5]})}
    assert order(document) == [(8, 5), (32, None)]


def test_extras_have_no_seeds() -> None:
    single = {"html_info": "<p></p>", "image": picture(8)}
    batch = {"html_info": "<p></p>", "images": [picture(8), picture(16)]}
    assert [item.seed for item in read_pictures(Kind.EXTRA_SINGLE, single, {})] == [None]
    assert [item.width for item in read_pictures(Kind.EXTRA_BATCH, batch, {})] == [8, 16]
    assert read_info(single) == {"html_info": "<p></p>"}


def test_nan_in_an_info_is_null() -> None:
    assert read_info({"info": '{"cfg_scale": NaN, "steps": 4}'}) == {"cfg_scale": None, "steps": 4}


@pytest.mark.parametrize(
    "document",
    [
        {"images": []},
        {"images": None},
        {"images": "text"},
        {"images": ["!!!"]},
        {"images": [None]},
        {"images": [b64encode(b"no picture").decode()]},
        {"images": [picture(8)], "info": "{"},
        {"images": [picture(8)], "info": "[]"},
        {"images": [picture(8)], "info": 7},
        {"images": [picture(8)], "info": '{"all_seeds": 7}'},
    ],
)
def test_a_reply_without_a_picture_is_no_reply(document: dict[str, Any]) -> None:
    with pytest.raises(EngineReplyError):
        read_pictures(Kind.TXT2IMG, document, read_info(document))


def as_text(document: Any) -> Any:
    """The parsed reply with its pictures as json would have them."""
    if isinstance(document, dict) and "images" in document:
        texts = [each.decode() if isinstance(each, bytes) else each for each in document["images"]]
        return document | {"images": texts}
    return document


@pytest.mark.parametrize(
    "body",
    [
        '{"images": ["QUJD", "REVG"], "parameters": {"images": ["x"]}, "info": "{}"}',
        '{"images":["QUJD"],"info":"{}"}',
        ' {"images": ["QUJD"], "info": "{}"}',
        '{ "images" : [ "QUJD" , "REVG" ] , "info": "a, \\"b\\"]"}',
        '{"images": ["QU\\/JD"], "info": "{}"}',
        '{"images": ["a\\"", "b"], "info": "{}"}',
        '{"images": ["a\\", \\"b"], "info": "{}"}',
        '{"images": [], "info": "{}"}',
        '{"images": ["QUJD", 7], "info": "{}"}',
        '{"images": [""], "info": "{}"}',
        '{"info": "{}", "images": ["QUJD"]}',
        '{"html_info": "", "image": "QUJD"}',
        '{"images": ["QUJD"]}',
        "[]",
        "null",
    ],
)
def test_a_reply_is_read_as_json_would_read_it(body: str) -> None:
    assert as_text(parse_reply(body.encode())) == json.loads(body)


@pytest.mark.parametrize(
    "body",
    [
        "",
        '{"images": ["QUJD"',
        '{"images": ["QUJD"]',
        '{"images": ["QUJD" "R"]}',
        '{"images": ["A"],}',
        "<html>",
    ],
)
def test_a_reply_that_is_no_json_is_refused_as_json_refuses_it(body: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        parse_reply(body.encode())


def test_pictures_are_cut_out_of_a_reply_without_being_parsed() -> None:
    document = parse_reply(json.dumps({"images": [picture(8)], "info": "{}"}).encode())
    assert document["images"] == [picture(8).encode()]
    assert [each.width for each in read_pictures(Kind.TXT2IMG, document, {})] == [8]
