"""--api-auth: who may use the routes.

As in the stock webui /docs, /openapi.json and the routes that come from extensions (LoRA) stay open.
"""

import base64
import binascii
import secrets
from collections.abc import Mapping

from diffusers_webui.errors import HttpRefusal


def check(header: str | None, passwords: Mapping[str, str]) -> None:
    """Pass a request whose Authorization header carries a known user and password.

    passwords: by user name; an empty one lets everybody pass. Raises HttpRefusal with status 401.
    """
    if not passwords:
        return
    scheme, _, text = (header or "").partition(" ")
    if scheme.lower() != "basic" or not text:
        raise HttpRefusal(401, "Not authenticated")
    try:
        user, _, password = base64.b64decode(text, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise HttpRefusal(401, "Invalid authentication credentials") from None
    known = passwords.get(user)
    if known is None or not secrets.compare_digest(known.encode(), password.encode()):
        raise HttpRefusal(401, "Incorrect username or password")
