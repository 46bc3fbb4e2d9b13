"""Which addresses may be called back. submit asks before it takes a job, deliver before it connects."""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
from collections.abc import Collection
from dataclasses import dataclass

from webui_async.contract.errors import CallbackRefused, shown

MAX_LENGTH = 2048
_DEFAULT_PORTS = {"https": 443, "http": 80}
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
#: Names that only mean something inside a network. Source: RFC 6761, RFC 6762, RFC 8375, ICANN for .internal.
_PRIVATE_NAMES = ("localhost", "local", "home.arpa", "internal")
#: The one block of IPv6 that is handed out to the public. Source: RFC 4291, section 2.4.
_IPV6_UNICAST = ipaddress.IPv6Network("2000::/3")


@dataclass(frozen=True)
class CallbackUrl:
    """A callback_url, taken apart."""

    scheme: str
    host: str  #: lower case; an IPv6 address without its brackets
    port: int
    target: str  #: path and query
    is_allowed: bool  #: named in callback_allow_hosts, so it may be http and need not be public

    @property
    def authority(self) -> str:
        """What goes into the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def check_callback_url(url: object, allow_hosts: Collection[str]) -> CallbackUrl:
    """The callback_url taken apart, without asking DNS. Raises CallbackRefused that names it and the rule.

    allow_hosts: `host:port` entries that may be http and need not be public.
    """
    parsed = _parse(url)
    is_allowed = f"{parsed.host}:{parsed.port}" in {entry.lower() for entry in allow_hosts}
    if not is_allowed:
        if parsed.scheme != "https":
            raise _refused(url, "it must be an https:// URL")
        _check_host(url, parsed.host)
    return CallbackUrl(parsed.scheme, parsed.host, parsed.port, parsed.target, is_allowed)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet.

    IPv6 addresses that carry an IPv4 one (mapped, 6to4, Teredo, NAT64) are not: nobody sees where they lead.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if not ip.is_global or ip.is_multicast or ip.is_reserved:
        return False
    return ip.version == 4 or (ip in _IPV6_UNICAST and ip.sixtofour is None and ip.teredo is None)


def _parse(url: object) -> CallbackUrl:
    if not isinstance(url, str) or not url:
        raise _refused(url, "it must be an https:// URL")
    if len(url) > MAX_LENGTH:
        raise _refused(url, f"it may have {MAX_LENGTH} characters at most")
    if not url.isascii() or not url.isprintable() or set(url) & set(' \\"<>'):
        raise _refused(url, "it must be plain ASCII: write other characters as %XX, a host name as xn--…")
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _refused(url, f"it is not a URL: {error}") from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise _refused(url, "it must be an https:// URL")
    if "@" in parts.netloc:
        raise _refused(url, "it must not hold a user name or password")
    if port == 0:
        raise _refused(url, "its port must be from 1 to 65535")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return CallbackUrl(parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme], target, False)


def _check_host(url: object, host: str) -> None:
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        if not is_public(host):
            raise _refused(url, f"{host} is not a public address")
        return
    labels = host.removesuffix(".").split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or len(host) > 253:
        raise _refused(url, f"{host[:80]!r} is not a host name")
    # `0x7f.1` and `2130706433` are IPv4 addresses to a resolver.
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        raise _refused(url, f"{host} must be written as four decimal numbers")
    if len(labels) == 1 or any(f".{host.removesuffix('.')}".endswith(f".{name}") for name in _PRIVATE_NAMES):
        raise _refused(url, f"{host} is not a public host name")


def _refused(url: object, rule: str) -> CallbackRefused:
    return CallbackRefused(f"callback_url is {shown(url)}; {rule}")
