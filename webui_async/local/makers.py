"""What makes resources, and the table that leads from a resource's type to its maker.

A property that is neither heeded nor known to be without effect on one machine is refused by name, so that
nothing in the template is skipped in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from webui_async.local.control_plane import ACCOUNT, ControlPlane
from webui_async.local.deployed import Deployed
from webui_async.local.errors import TemplateError
from webui_async.local.intrinsics import Made
from webui_async.local.template import Resource, Template

Properties = Mapping[str, Any]
#: Of no effect on one machine, whatever the type.
_WITHOUT_EFFECT = frozenset({"Tags", "Description", "KmsMasterKeyId"})


@dataclass
class Builder:
    """What the makers work with."""

    plane: ControlPlane
    stack: str
    code_dirs: Mapping[str, Path]
    deployed: Deployed

    def named(self, given: object, name: str) -> str:
        """The physical name: the template's own, or one made of the stack's and the resource's."""
        return str(given) if given else f"{self.stack}-{name}"

    def arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{self.plane.region}:{ACCOUNT}:{rest}"


Maker = Callable[[Builder, str, Properties], Made]


class Makers(dict[str, tuple[Maker, frozenset[str]]]):
    """Resource type -> its maker and the properties it may have."""

    def of(self, kind: str, heeded: str = "", ignored: str = "") -> Callable[[Maker], Maker]:
        """Enter a maker, with the properties it heeds and those that have no effect here."""

        def enter(maker: Maker) -> Maker:
            self[kind] = (maker, frozenset(heeded.split()) | frozenset(ignored.split()) | _WITHOUT_EFFECT)
            return maker

        return enter

    def make(self, builder: Builder, resource: Resource, template: Template) -> Made:
        """The resource, made. Raises TemplateError that names what is not known of it."""
        if resource.type not in self:
            raise TemplateError(f"{resource.name} is a {resource.type}, which the local stack cannot make")
        maker, known = self[resource.type]
        properties = template.scope.resolve(resource.properties)
        if unknown := sorted(set(properties) - known):
            raise TemplateError(
                f"{resource.name} has {unknown[0]}, which the local stack does not know of {resource.type}"
            )
        try:
            return maker(builder, resource.name, properties)
        except (ClientError, BotoCoreError) as error:
            raise TemplateError(f"{resource.name} ({resource.type}) is refused: {error}") from error
        except KeyError as error:
            raise TemplateError(f"{resource.name} ({resource.type}) lacks {error}") from error
