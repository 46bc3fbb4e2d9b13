"""The translated template, copies that lack a piece, and one S3 key of every kind."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from webui_async.contract import keys
from webui_async.local.template import Template, load_yaml, read_template

PATH = Path(__file__).resolve().parents[2] / "template.yaml"
PSEUDO = {
    "AWS::Region": "eu-central-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "webui-async",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::NoValue": "",
}
FUNCTIONS = ("Submit", "Api", "Complete", "Deliver", "Reap")
JOB_ID = "01948f3e-7a10-7cc1-9b5e-3f0a6c2d8e41"
KEYS = {
    "active": keys.active(JOB_ID, "owner"),
    "index": keys.index(JOB_ID, "owner"),
    "request": keys.request(JOB_ID),
    "queued": keys.queued(JOB_ID, 1),
    "released": keys.released(JOB_ID, 1),
    "progress": keys.progress(JOB_ID),
    "picture": keys.picture(JOB_ID, "0a1b2c3d", 0, "png"),
    "reply": keys.reply(JOB_ID),
    "result": keys.result(JOB_ID),
    "cancel": keys.cancel(JOB_ID),
    "deleted": keys.deleted(JOB_ID),
    "callback": keys.callback(JOB_ID),
    "idempotency": keys.idempotency("owner", "key"),
    "upload": keys.upload("owner", "0" * 32),
    "catalog": keys.catalog("webui-async"),
    "model": keys.model("Lora", "ink.safetensors"),
    "pack": f"{keys.pack('ink', '1')}manifest.json",
    "async-out": "async-out/a.out",
}


@functools.cache
def translated() -> Template:
    return read_template(PATH, {}, PSEUDO)


def without(tmp_path: Path, *path: Any) -> Path:
    """A copy of the template that lacks the piece at `path`; without a path it lacks nothing."""
    template = load_yaml(PATH)
    place = template["Resources"]
    for name in path[:-1]:
        place = place[name]
    for name in path[-1:]:
        del place[name]
    for body in template["Resources"].values():
        if body["Type"] == "AWS::Serverless::Function":
            body["Properties"]["CodeUri"] = str(PATH.parent / "lambda")
    copy = tmp_path / "template.yaml"
    copy.write_text(yaml.safe_dump(template, sort_keys=False))
    return copy


def of_type(kind: str) -> dict[str, Any]:
    """The resources of one type: name -> properties, which still hold intrinsic functions."""
    return {one.name: one.properties for one in translated().resources.values() if one.type == kind}


def kinds_of(resources: Iterable[Any]) -> set[str]:
    """The kinds of key that a policy's resources reach in our bucket."""
    patterns = [
        json.dumps(resource)
        .partition("${Bucket.Arn}/")[2]
        .removesuffix('"}')
        .replace("${EndpointName}", "webui-async")
        for resource in resources
    ]
    return {kind for kind, key in KEYS.items() if any(fnmatch(key, pattern) for pattern in patterns)}
