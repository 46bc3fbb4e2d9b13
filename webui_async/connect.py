"""A client of a stack's API, found by the stack's name. What notebooks begin with."""

from __future__ import annotations

import json

import boto3

from webui_async.client import Client
from webui_async.contract.signature import owner_secret
from webui_async.deploy.aws_errors import told
from webui_async.deploy.stack import StackOutputs


def connect(stack: str, session: boto3.Session | None = None) -> Client:
    """A client with the stack's own API key.

    session: whose credentials and region are used; boto3's default when absent.
    Raises StackMissing, NotAllowed and the other errors of the deployer.
    """
    aws = session or boto3.Session()
    outputs = StackOutputs.read(aws.client("cloudformation"), stack)
    with told("apigateway"):
        key = aws.client("apigateway").get_api_key(apiKey=outputs.api_key_id, includeValue=True)
    return Client(outputs.api_url, key["value"])


def callback_secret(stack: str, session: boto3.Session | None = None) -> str:
    """The secret that callbacks to the owner of the stack's own API key are signed with."""
    aws = session or boto3.Session()
    outputs = StackOutputs.read(aws.client("cloudformation"), stack)
    with told("secretsmanager"):
        answer = aws.client("secretsmanager").get_secret_value(SecretId=outputs.callback_secret_arn)
    return owner_secret(json.loads(answer["SecretString"])["current"], outputs.api_key_id)
