"""The routes that need no key: health, the API's description, two pages that load nothing from elsewhere."""

from __future__ import annotations

import html
from pathlib import Path

from aws_lambda_powertools.event_handler import Response

from handlers import http
from handlers.http import Call
from handlers.wiring import Wiring

_HTML = "text/html; charset=utf-8"
_PAGES = Path(__file__).with_name("pages")


def get_health(world: Wiring, call: Call) -> Response[str]:
    """GET /health: the API answers. Only a job can tell whether the endpoint draws."""
    return http.answer(200, {"status": "ok"})


def get_openapi(world: Wiring, call: Call) -> Response[str]:
    """GET /openapi.json: the API's description, made from the contract's tables."""
    # Only this route needs it, and every cold start would pay for it.
    from webui_async.contract.openapi import openapi

    return http.answer(200, openapi(call.base_url))


def get_docs(world: Wiring, call: Call) -> Response[str]:
    """GET /docs: openapi.json as a page."""
    return Response(200, _HTML, (_PAGES / "docs.html").read_text())


def get_page(world: Wiring, call: Call) -> Response[str]:
    """GET /: what this is."""
    text = (_PAGES / "index.html").read_text()
    return Response(200, _HTML, text.replace("{base_url}", html.escape(call.base_url)))
