"""What everything of one endpoint is called on AWS, and so what is ours. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from webui_async.deploy.scaling_calls import resource_id as _resource_id

VARIANT = "gpu"
#: On everything that takes tags; its value is the endpoint's name.
TAG = "webui-async:endpoint"
#: Of models, endpoint configurations and endpoints. Source: SageMaker's service model.
_LONGEST = 63
_HEX = 12
#: A name that leaves no room for the address is cut, and marked with its own address: no two are cut alike.
_MARK_HEX = 8


def addressed(endpoint: str, parameters: Mapping[str, Any]) -> str:
    """The name of a model or configuration with these parameters: others have another name."""
    return f"{_prefix(endpoint)}-{_address(parameters, _HEX)}"


def is_addressed(endpoint: str, name: str) -> bool:
    """Whether a model or configuration of that name was made for the endpoint."""
    return re.fullmatch(rf"{re.escape(_prefix(endpoint))}-[0-9a-f]{{{_HEX}}}", name) is not None


def common_part(endpoint: str) -> str:
    """What the names of all its models and configurations contain."""
    return _prefix(endpoint)


def resource_id(endpoint: str) -> str:
    """What Application Auto Scaling calls the endpoint's variant."""
    return _resource_id(endpoint, VARIANT)


def tracking_policy(endpoint: str) -> str:
    """The policy that holds the backlog per instance near its target."""
    return f"{endpoint}-backlog"


def step_policy(endpoint: str) -> str:
    """The policy that leads out of zero; the alarm that sets it off bears its name."""
    return f"{endpoint}-from-zero"


def log_group(endpoint: str) -> str:
    """Where CloudWatch has what the endpoint's containers print."""
    return f"/aws/sagemaker/Endpoints/{endpoint}"


def tags_of(endpoint: str, tags: Mapping[str, str]) -> dict[str, str]:
    """What everything of the endpoint is tagged with."""
    return {**tags, TAG: endpoint}


def listed_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as most services want them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _prefix(endpoint: str) -> str:
    room = _LONGEST - _HEX - 1
    if len(endpoint) <= room:
        return endpoint
    mark = hashlib.sha256(endpoint.encode()).hexdigest()[:_MARK_HEX]
    return f"{endpoint[: room - _MARK_HEX - 1]}-{mark}"


def _address(parameters: Mapping[str, Any], digits: int) -> str:
    text = json.dumps(parameters, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
