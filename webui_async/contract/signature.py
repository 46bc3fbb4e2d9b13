"""Sign and verify callbacks after Standard Webhooks 1.0.0.

The signed text is `{webhook-id}.{webhook-timestamp}.{body}`; a secret is `whsec_` + base64.
Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from webui_async.contract.errors import BadSignature, SettingsError

PREFIX = "whsec_"
TOLERANCE_S = 300


def owner_secret(master: str, owner: str) -> str:
    """The callback secret of one owner, derived from the master secret."""
    digest = hmac.new(master.encode(), f"callback:{owner}".encode(), hashlib.sha256).digest()
    return PREFIX + base64.b64encode(digest).decode()


def sign(secrets: Sequence[str], message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers of a signed callback.

    One signature per secret, so that both hold while secrets rotate.
    """
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(
            f"v1,{_digest(secret, message_id, timestamp_s, body)}" for secret in secrets
        ),
    }


def verify(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now_s: float) -> None:
    """Nothing when the callback was signed with one of `secrets` in the last five minutes.

    headers: any case. Raises BadSignature otherwise.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, sent_at = lowered["webhook-id"], int(lowered["webhook-timestamp"])
        given = [part[3:] for part in lowered["webhook-signature"].split() if part.startswith("v1,")]
    except (KeyError, ValueError) as error:
        raise BadSignature(
            f"a callback needs webhook-id, webhook-timestamp and webhook-signature: {error}"
        ) from error
    if abs(now_s - sent_at) > TOLERANCE_S:
        raise BadSignature(f"webhook-timestamp {sent_at} is more than {TOLERANCE_S} s away from now")
    expected = [_digest(secret, message_id, sent_at, body) for secret in secrets]
    if not any(hmac.compare_digest(a.encode(), b.encode()) for a in expected for b in given):
        raise BadSignature("no webhook-signature fits the body and the secret")


def _digest(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise SettingsError("a callback secret must be whsec_ and base64") from error
    text = f"{message_id}.{timestamp_s}.".encode() + body
    return base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
