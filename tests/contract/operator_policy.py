"""The IAM policies that the docs tell an operator to have, as one document for one stack."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"
_BLOCK = re.compile(r"^```json\n(.*?)^```", re.DOTALL | re.MULTILINE)


def operator_policy(places: dict[str, str], *pages: str) -> dict[str, Any]:
    """Every policy on these pages of docs/.

    places: what stands for REGION, ACCOUNT, STACK, ENDPOINT, BUCKET and REPOSITORY.
    """
    statements: list[dict[str, Any]] = []
    for page in pages:
        for block in _BLOCK.findall((DOCS / page).read_text()):
            names = "|".join(rf"(?<![A-Za-z]){name}(?![A-Za-z])" for name in places)
            text = re.sub(names, lambda match: places[match[0]], block)
            statements += json.loads(text)["Statement"]
    return {"Version": "2012-10-17", "Statement": statements}
