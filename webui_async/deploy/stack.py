"""The stack that an endpoint belongs to, as far as those who deploy and use the endpoint need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from webui_async.contract.errors import StackMissing
from webui_async.deploy.aws_errors import is_absent, told

#: Field -> the template's output.
_OUTPUTS = {
    "bucket": "BucketName",
    "endpoint": "EndpointName",
    "role_arn": "EndpointRoleArn",
    "success_topic": "SuccessTopicArn",
    "error_topic": "ErrorTopicArn",
    "api_url": "ApiUrl",
    "api_key_id": "ApiKeyId",
    "callback_secret_arn": "CallbackSecretArn",
}


@dataclass(frozen=True)
class StackOutputs:
    """What the stack says of itself."""

    bucket: str  #: holds jobs, catalogs and model packs
    endpoint: str  #: name that the functions invoke and the role may write a catalog for
    role_arn: str  #: the container's, ExecutionRoleArn of the model
    success_topic: str
    error_topic: str
    api_url: str  #: where clients reach the API
    api_key_id: str  #: of the stack's own key
    callback_secret_arn: str
    parameters: Mapping[str, str] = field(default_factory=dict)  #: what it was deployed with

    @classmethod
    def read(cls, cloudformation: Any, stack: str) -> StackOutputs:
        """cloudformation: a boto3 client. Raises StackMissing."""
        with told("cloudformation"):
            try:
                (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
            except ClientError as error:
                if not is_absent(error):
                    raise
                where = cloudformation.meta.region_name
                raise StackMissing(
                    f"there is no stack {stack!r} in {where}. Deploy it first, with "
                    "`webui-async stack deploy`, or name another with --stack"
                ) from error
        outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in described.get("Outputs", ())}
        missing = [name for name in _OUTPUTS.values() if not outputs.get(name)]
        if missing:
            raise StackMissing(
                f"stack {stack!r} is {described.get('StackStatus', 'there')} and has no output "
                f"{', '.join(missing)}: deploy template.yaml to it again"
            )
        said = {
            entry["ParameterKey"]: entry.get("ParameterValue", "")
            for entry in described.get("Parameters", ())
        }
        return cls(**{field: outputs[name] for field, name in _OUTPUTS.items()}, parameters=said)
