"""One POST: to the address that was checked, in its time, and no further than it is sent."""

from __future__ import annotations

import datetime
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from handlers.callback_http import Answer, Poster
from handlers.callback_url import CallbackUrl, check_callback_url

from tests.unit.handlers.receiver import Receiver, answer, open_receiver
from webui_async.contract.errors import CallbackFailed, CallbackRefused

NAME = "hooks.example.com"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with open_receiver() as made:
        yield made


def url_of(receiver: Receiver) -> CallbackUrl:
    return check_callback_url(f"http://{receiver.host}/done?x=1", [receiver.host])


def test_a_callback_is_posted_whole(receiver: Receiver) -> None:
    assert Poster().post(url_of(receiver), {"webhook-id": "1"}, b'{"a":1}') == Answer(200, None)

    (request,) = receiver.requests
    assert request.line == "POST /done?x=1 HTTP/1.1"
    assert request.body == b'{"a":1}'
    assert request.headers["host"] == receiver.host
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "1"


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.answers = [answer(302, location=f"http://{receiver.host}/elsewhere")]

    assert Poster().post(url_of(receiver), {}, b"{}").status == 302
    assert len(receiver.requests) == 1


def test_retry_after_is_read(receiver: Receiver) -> None:
    receiver.answers = [answer(503, retry_after="120")]

    assert Poster().post(url_of(receiver), {}, b"{}") == Answer(503, "120")


def test_a_receiver_that_says_nothing_is_left(receiver: Receiver) -> None:
    receiver.answers = [lambda connection: time.sleep(0.5)]

    with pytest.raises(CallbackFailed, match=r"timed out|over"):
        Poster(timeout_s=0.2).post(url_of(receiver), {}, b"{}")


def test_a_receiver_that_drips_is_left_when_the_time_is_over(receiver: Receiver) -> None:
    def drip(connection: socket.socket) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)

    receiver.answers = [drip]
    began = time.monotonic()

    with pytest.raises(CallbackFailed, match=r"timed out|over"):
        Poster(timeout_s=0.3).post(url_of(receiver), {}, b"{}")
    assert time.monotonic() - began < 2


def test_no_more_than_4_kb_of_an_answer_are_read(receiver: Receiver) -> None:
    receiver.answers = [b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000]

    with pytest.raises(CallbackFailed, match="no end of the headers in 4096 bytes"):
        Poster().post(url_of(receiver), {}, b"{}")


def test_a_long_body_after_a_short_head_is_not_waited_for(receiver: Receiver) -> None:
    receiver.answers = [b"HTTP/1.1 200 OK\r\ncontent-length: 900000000\r\n\r\n" + b"y" * 10_000]

    assert Poster().post(url_of(receiver), {}, b"{}").status == 200


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: half"])
def test_what_is_no_http_answer_is_a_failure(receiver: Receiver, said: bytes) -> None:
    receiver.answers = [said]

    with pytest.raises(CallbackFailed):
        Poster().post(url_of(receiver), {}, b"{}")


def test_a_closed_port_is_a_failure(receiver: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"127.0.0.1:{server.getsockname()[1]}"

    with pytest.raises(CallbackFailed, match="did not take the callback"):
        Poster().post(check_callback_url(f"http://{closed}/", [closed]), {}, b"{}")


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["::ffff:93.184.215.14"], ["169.254.169.254"]]
)
def test_a_name_that_leads_to_any_private_address_is_refused_before_a_connection(
    addresses: list[str],
) -> None:
    url = check_callback_url(f"https://{NAME}/", ())

    with pytest.raises(CallbackRefused, match="not a public address"):
        Poster(resolve=lambda host, port: addresses).post(url, {}, b"{}")


def test_a_name_without_an_address_is_a_failure() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(CallbackFailed, match="Name or service not known"):
        Poster(resolve=resolve).post(check_callback_url(f"https://{NAME}/", ()), {}, b"{}")


# TLS ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for NAME, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return file


@pytest.fixture
def encrypted(certificate: Path) -> Iterator[Receiver]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with open_receiver(tls) as made:
        yield made


def test_the_certificate_is_checked_against_the_name_and_the_connection_goes_to_the_address(
    encrypted: Receiver, certificate: Path
) -> None:
    url = check_callback_url(f"https://{NAME}:{encrypted.port}/", [f"{NAME}:{encrypted.port}"])
    trusting = ssl.create_default_context(cafile=str(certificate))
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    assert Poster(resolve=resolve, tls=trusting).post(url, {}, b"{}").status == 200
    assert asked == [NAME], "DNS is asked once: a second answer could be another"
    assert encrypted.requests[0].headers["host"] == f"{NAME}:{encrypted.port}"


def test_a_certificate_of_another_name_is_refused(encrypted: Receiver, certificate: Path) -> None:
    other = f"other.example.com:{encrypted.port}"
    trusting = ssl.create_default_context(cafile=str(certificate))

    with pytest.raises(CallbackFailed, match="Hostname mismatch"):
        Poster(resolve=lambda host, port: ["127.0.0.1"], tls=trusting).post(
            check_callback_url(f"https://{other}/", [other]), {}, b"{}"
        )
    assert encrypted.requests == []


def test_a_certificate_nobody_vouches_for_is_refused(encrypted: Receiver) -> None:
    host = f"{NAME}:{encrypted.port}"

    with pytest.raises(CallbackFailed, match="CERTIFICATE_VERIFY_FAILED"):
        Poster(resolve=lambda name, port: ["127.0.0.1"]).post(
            check_callback_url(f"https://{host}/", [host]), {}, b"{}"
        )
