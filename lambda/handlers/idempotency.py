"""Idempotency-Key: one key and one body are one job, however often they are sent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from handlers.http import Call
from webui_async.contract import keys
from webui_async.contract.errors import IdempotencyConflict, InvalidPayload, StoreError
from webui_async.store import Store

HEADER = "Idempotency-Key"
MAX_KEY_CHARS = 255


@dataclass(frozen=True)
class Claim:
    """What a key stands for: this body, sent to this path, by this owner."""

    owner: str
    key: str
    body_sha256: str
    path: str

    @property
    def place(self) -> str:
        return keys.idempotency(self.owner, self.key)


def read_claim(call: Call, owner: str) -> Claim | None:
    """The call's claim; None when it brings no key. Raises InvalidPayload for a key that is none."""
    key = call.header(HEADER)
    if key is None:
        return None
    if not 0 < len(key) <= MAX_KEY_CHARS or not (key.isascii() and key.isprintable()):
        raise InvalidPayload(HEADER, key, f"it must be 1 to {MAX_KEY_CHARS} printable ASCII characters")
    return Claim(owner, key, hashlib.sha256(call.body()).hexdigest(), call.path)


def find_job_id(store: Store, claim: Claim) -> str | None:
    """The job that the key stands for already. Raises IdempotencyConflict when it was another body's."""
    record = store.get_json(claim.place)
    if record is None:
        return None
    if (record["body_sha256"], record["path"]) != (claim.body_sha256, claim.path):
        raise IdempotencyConflict(
            f"the {HEADER} {claim.key[:80]!r} stands for another body or route. Use a fresh key for a new job"
        )
    return str(record["job_id"])


def take(store: Store, claim: Claim, job_id: str) -> str:
    """The job that the key stands for from now on: `job_id`, or that of a call that was first."""
    record = {"job_id": job_id, "body_sha256": claim.body_sha256, "path": claim.path}
    if store.put_json(claim.place, record, if_absent=True):
        return job_id
    first = find_job_id(store, claim)
    if first is None:
        raise StoreError(f"the record of {HEADER} {claim.key[:80]!r} vanished while it was read")
    return first
