"""The template, made on the control plane."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from webui_async.local import compute_resources, resources
from webui_async.local.control_plane import ACCOUNT, ControlPlane
from webui_async.local.deployed import Deployed
from webui_async.local.makers import Builder, Makers
from webui_async.local.template import read_template

_MAKERS = Makers({**resources.MAKERS, **compute_resources.MAKERS})


def deploy_template(plane: ControlPlane, path: Path, parameters: Mapping[str, str], stack: str) -> Deployed:
    """Every resource of the template at `path`, made in order, and what came of it.

    Raises TemplateError that names the resource and what is wrong with it.
    """
    template = read_template(path, parameters, _pseudo_parameters(plane, stack))
    builder = Builder(plane, stack, template.code_dirs, Deployed())
    for resource in template.in_order():
        template.scope.made[resource.name] = _MAKERS.make(builder, resource, template)
    outputs = {name: str(template.scope.resolve(value)) for name, value in template.outputs.items()}
    builder.deployed.outputs.update(outputs)
    return builder.deployed


def _pseudo_parameters(plane: ControlPlane, stack: str) -> dict[str, str]:
    return {
        "AWS::Region": plane.region,
        "AWS::AccountId": ACCOUNT,
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::StackName": stack,
        "AWS::StackId": f"arn:aws:cloudformation:{plane.region}:{ACCOUNT}:stack/{stack}/local",
    }
