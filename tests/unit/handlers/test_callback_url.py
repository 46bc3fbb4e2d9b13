"""Which addresses may be called back."""

from __future__ import annotations

import pytest
from handlers.callback_url import CallbackUrl, check_callback_url, is_public

from webui_async.contract.errors import CallbackRefused


def test_an_https_url_is_taken_apart() -> None:
    url = check_callback_url("https://Hooks.Example.com/done?job=1", ())

    assert url == CallbackUrl("https", "hooks.example.com", 443, "/done?job=1", False)
    assert url.authority == "hooks.example.com"


def test_a_port_and_an_ipv6_address_are_kept_in_the_host_header() -> None:
    assert check_callback_url("https://hooks.example.com:8443", ()).authority == "hooks.example.com:8443"
    assert check_callback_url("https://[2606:4700::1111]:444/x", ()).authority == "[2606:4700::1111]:444"


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        (None, "https://"),
        (7, "https://"),
        ("", "https://"),
        ("hooks.example.com/done", "https://"),
        ("http://hooks.example.com/done", "https://"),
        ("ftp://hooks.example.com/done", "https://"),
        ("https:///done", "https://"),
        ("https://user:secret@hooks.example.com/", "user name"),
        ("https://@hooks.example.com/", "user name"),
        ("https://hooks.example.com:0/", "port"),
        ("https://hooks.example.com:99999/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://hooks.example.com/a b", "plain ASCII"),
        ("https://hooks.example.com/\r\nx-evil: 1", "plain ASCII"),
        ("https://hooks.example.com\\@10.0.0.1/", "plain ASCII"),
        ("https://höoks.example.com/", "plain ASCII"),
        ("https://" + "a" * 2048 + ".com/", "2048 characters"),
        ("https://-hooks.example.com/", "not a host name"),
        ("https://hooks..example.com/", "not a host name"),
        ("https://localhost/done", "public host name"),
        ("https://LOCALHOST./done", "public host name"),
        ("https://a.localhost/done", "public host name"),
        ("https://printer.local/", "public host name"),
        ("https://db.internal/", "public host name"),
        ("https://intranet/", "public host name"),
        ("https://127.0.0.1/", "public address"),
        ("https://10.1.2.3/", "public address"),
        ("https://169.254.169.254/latest/meta-data/", "public address"),
        ("https://0.0.0.0/", "public address"),
        ("https://127.1/", "public address"),
        ("https://2130706433/", "public address"),
        ("https://0177.0.0.1/", "public address"),
        ("https://0x7f.0.0.1/", "four decimal numbers"),
        ("https://0x7f000001/", "four decimal numbers"),
        ("https://127.0.0.0x1/", "four decimal numbers"),
        ("https://[::1]/", "public address"),
        ("https://[fd00:ec2::254]/", "public address"),
        ("https://[::ffff:10.0.0.1]/", "public address"),
        ("https://[fe80::1%25eth0]/", "public address"),
    ],
)
def test_a_refusal_names_the_field_the_value_and_the_rule(url: object, rule: str) -> None:
    with pytest.raises(CallbackRefused) as caught:
        check_callback_url(url, ())

    assert str(caught.value).startswith("callback_url is ")
    assert rule in str(caught.value)


def test_an_allowed_host_may_be_http_and_private_on_that_port_only() -> None:
    allowed = ("localhost:9000",)

    assert check_callback_url("http://localhost:9000/x", allowed).is_allowed
    assert check_callback_url("https://LOCALHOST:9000/x", allowed).is_allowed
    for url in ("http://localhost:9001/x", "http://127.0.0.1:9000/x", "http://localhost/x"):
        with pytest.raises(CallbackRefused):
            check_callback_url(url, allowed)


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:4700:4700::1111"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:8.8.8.8",
        "::8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
        "2001:0:808:808::1",
        "2001:db8::1",
        "not an address",
    ],
)
def test_addresses_that_are_not_public_or_lead_elsewhere(address: str) -> None:
    assert not is_public(address)
