"""The endpoints' catalogs, changed under the eyes of the containers that write them too."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from webui_async.contract import keys
from webui_async.contract.errors import StoreError
from webui_async.packager.s3_errors import GO_ON, code_of, told
from webui_async.store import Store

Change = Callable[[dict[str, Any]], dict[str, Any]]

_TRIES = 5
#: Somebody else has written it since it was read, or is writing it now.
_CONTENDED = ("PreconditionFailed", "ConditionalRequestConflict")
_GONE = ("NoSuchKey", "404")


def change_catalogs(store: Store, change: Change) -> list[str]:
    """The endpoints whose catalogs are other ones now. A container's own writing is never undone.

    change: from a catalog to what it shall be; called again when somebody else was faster. Raises StoreError.
    """
    with told(store.uri(keys.CATALOGS)):
        found = [entry.key for entry in store.list(keys.CATALOGS) if entry.key.endswith(".json")]
    return [
        key.removeprefix(keys.CATALOGS).removesuffix(".json")
        for key in found
        if _change_one(store, key, change)
    ]


def _change_one(store: Store, key: str, change: Change) -> bool:
    with told(store.uri(key)):
        for _ in range(_TRIES):
            try:
                answer = store.s3.get_object(Bucket=store.bucket, Key=key)
                before = _parse(store.uri(key), answer["Body"].read())
                after = change(before)
                if after == before:
                    return False
                store.s3.put_object(
                    Bucket=store.bucket,
                    Key=key,
                    Body=json.dumps(after, separators=(",", ":"), allow_nan=False).encode(),
                    ContentType="application/json",
                    IfMatch=answer["ETag"],
                )
                return True
            except ClientError as error:
                if code_of(error) in _GONE:
                    return False
                if code_of(error) not in _CONTENDED:
                    raise
    raise StoreError(f"{store.uri(key)} is written to all the time. {GO_ON}")


def _parse(uri: str, text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise StoreError(f"{uri} is no JSON: {error}. Delete it: the endpoint writes it anew") from error
    if not isinstance(document, dict):
        raise StoreError(f"{uri} is no JSON object. Delete it: the endpoint writes it anew")
    return document
