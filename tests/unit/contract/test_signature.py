"""Standard Webhooks signatures."""

from __future__ import annotations

import base64

import pytest

from webui_async.contract import signature
from webui_async.contract.errors import BadSignature, SettingsError

BODY, NOW = b'{"type":"job.succeeded"}', 1_700_000_000
SECRET = signature.owner_secret("master", "owner-1")
OTHER = signature.owner_secret("master", "owner-2")


def signed(*secrets: str) -> dict[str, str]:
    return signature.sign(secrets or (SECRET,), "j.job.succeeded", NOW, BODY)


def test_the_example_of_the_specification_is_signed_alike() -> None:
    # github.com/standard-webhooks/standard-webhooks, libraries/python/tests.
    headers = signature.sign(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_signature_holds() -> None:
    signature.verify([SECRET], signed(), BODY, NOW + 1)
    signature.verify([SECRET], {name.title(): value for name, value in signed().items()}, BODY, NOW)


def test_an_owners_secret_is_24_to_64_bytes_and_its_own() -> None:
    assert SECRET != OTHER
    assert 24 <= len(base64.b64decode(SECRET.removeprefix("whsec_"))) <= 64


def test_both_secrets_hold_while_they_rotate() -> None:
    headers = signed(SECRET, OTHER)
    assert headers["webhook-signature"].count("v1,") == 2
    for secret in (SECRET, OTHER):
        signature.verify([secret], headers, BODY, NOW)
    signature.verify([OTHER, SECRET], signed(SECRET), BODY, NOW)


@pytest.mark.parametrize("age_s", [-301, 301, 10**9])
def test_an_old_callback_is_refused(age_s: int) -> None:
    with pytest.raises(BadSignature, match="300 s"):
        signature.verify([SECRET], signed(), BODY, NOW + age_s)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "other"},
        {"webhook-timestamp": str(NOW + 1)},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1,caf\u00e9"},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": signed()["webhook-signature"].replace("v1,", "v2,")},
    ],
)
def test_a_changed_callback_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        signature.verify([SECRET], signed() | change, BODY, NOW)


def test_another_body_or_secret_is_refused() -> None:
    for secrets, body in (([SECRET], BODY + b" "), ([OTHER], BODY), ([], BODY)):
        with pytest.raises(BadSignature):
            signature.verify(secrets, signed(), body, NOW)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_callback_without_one_of_the_headers_is_refused(name: str) -> None:
    headers = {other: value for other, value in signed().items() if other != name}
    with pytest.raises(BadSignature, match=name):
        signature.verify([SECRET], headers, BODY, NOW)


def test_a_secret_that_is_no_base64_is_a_setting_to_mend() -> None:
    with pytest.raises(SettingsError, match="whsec_"):
        signature.sign(["whsec_???"], "id", NOW, BODY)
