"""The template, made on the control plane."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from webui_async.local import compute_resources, resources
from webui_async.local.control_plane import ACCOUNT, ControlPlane
from webui_async.local.deployed import Deployed, MadeResource
from webui_async.local.makers import Builder, Makers
from webui_async.local.template import read_template

MAKERS = Makers({**resources.MAKERS, **compute_resources.MAKERS})


def deploy_template(plane: ControlPlane, path: Path, parameters: Mapping[str, str], stack: str) -> Deployed:
    """Every resource of the template at `path`, made in order, and what came of it.

    Raises TemplateError that names the resource and what is wrong with it.
    """
    template = read_template(path, parameters, _pseudo_parameters(plane, stack))
    builder = Builder(plane, stack, template.code_dirs, Deployed())
    for resource in template.in_order():
        made = MAKERS.make(builder, resource, template)
        template.scope.made[resource.name] = made
        builder.deployed.resources.append(
            MadeResource(resource.name, resource.type, made.ref, resource.is_retained)
        )
    outputs = {name: str(template.scope.resolve(value)) for name, value in template.outputs.items()}
    builder.deployed.outputs.update(outputs)
    builder.deployed.parameters.update({name: _text(value) for name, value in template.parameters.items()})
    return builder.deployed


def record_stack(plane: ControlPlane, stack: str, deployed: Deployed) -> str:
    """The id of a stack on the control plane that says what was made, as CloudFormation would.

    Its parameters and outputs are the real ones; in the place of the resources there is one never made.
    """
    document = {
        "Description": "The template's parameters and outputs; its resources are made by the local stack.",
        "Parameters": {name: {"Type": "String"} for name in deployed.parameters},
        "Conditions": {"Never": {"Fn::Equals": ["yes", "no"]}},
        "Resources": {"Nothing": {"Type": "AWS::SNS::Topic", "Condition": "Never"}},
        "Outputs": {name: {"Value": value} for name, value in deployed.outputs.items()},
    }
    parameters = [
        {"ParameterKey": name, "ParameterValue": value} for name, value in deployed.parameters.items()
    ]
    cloudformation = plane.client("cloudformation")
    created = cloudformation.create_stack(
        StackName=stack, TemplateBody=json.dumps(document), Parameters=parameters
    )
    return str(created["StackId"])


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _pseudo_parameters(plane: ControlPlane, stack: str) -> dict[str, str]:
    return {
        "AWS::Region": plane.region,
        "AWS::AccountId": ACCOUNT,
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::StackName": stack,
        "AWS::StackId": f"arn:aws:cloudformation:{plane.region}:{ACCOUNT}:stack/{stack}/local",
    }
