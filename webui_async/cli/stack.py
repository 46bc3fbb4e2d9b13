"""`webui-async stack …`: template.yaml becomes a CloudFormation stack, and goes again without a trace."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from webui_async.cli.words import Commands, Run, add_command_of_words, add_word

if TYPE_CHECKING:
    from webui_async.deploy.clients import Aws
    from webui_async.deploy.stack_delete import Remains, Wanted

_SAM_BUCKET = "the bucket of the stack aws-sam-cli-managed-default stays: all that sam deploys shares it"
#: Kind of what is kept -> the option that removes it.
_OPTIONS = {"S3 bucket": "--with-bucket", "ECR repository": "--with-images"}


def add_command(commands: Commands) -> None:
    """`stack` and its words are among the commands."""
    text = "the API's side on AWS, by template.yaml: deploy, delete"
    words = add_command_of_words(commands, "stack", text)
    deploy = _word(words, "deploy", _deploy, "sam build and sam deploy of this checkout; prints the outputs")
    deploy.add_argument("--stack", default="webui-async", help="its name (default: %(default)s)")
    deploy.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="Key=Value",
        help="a parameter of template.yaml, as often as needed; others keep the value they have",
    )
    deploy.add_argument("--guided", action="store_true", help="sam asks for every parameter")
    delete = _word(
        words, "delete", _delete, "remove the stack and all it leaves; status 1 if anything is left"
    )
    delete.add_argument("--stack", required=True, help="its name")
    delete.add_argument(
        "--with-bucket", action="store_true", help="the bucket too: jobs, pictures, models, packs"
    )
    delete.add_argument("--with-images", action="store_true", help="the images in ECR too")
    delete.add_argument("--yes", action="store_true", help="do not ask")


def _word(words: Commands, name: str, run: Run, text: str) -> argparse.ArgumentParser:
    word = add_word(words, name, run, text)
    word.add_argument("--region", help="AWS region (default: the profile's)")
    return word


def _deploy(options: argparse.Namespace) -> int:
    from webui_async.deploy.sam import Deployment
    from webui_async.deploy.stack_deploy import deploy_stack
    from webui_async.deploy.stack_template import TEMPLATE, check_stack_name, find_checkout, read_parameters

    checkout = find_checkout(Path.cwd())
    stack = check_stack_name(options.stack)
    parameters = read_parameters(options.parameter, checkout / TEMPLATE)
    aws = _aws(options.region)
    deployment = Deployment(checkout, stack, aws.region, parameters, options.guided)
    outputs = deploy_stack(aws, deployment, lambda line: print(line, file=sys.stderr))
    width = max(map(len, outputs), default=0)
    for name, value in sorted(outputs.items()):
        print(f"{name:<{width}}  {value}")
    print(_next(stack, aws.region, outputs.get("BucketName", "BUCKET")))
    return 0


def _next(stack: str, region: str, bucket: str) -> str:
    return (
        f"\nnext:  ./build_and_push.sh {region}\n"
        f"       webui-async models push DIR s3://{bucket}/packs/NAME\n"
        f"       webui-async endpoint apply --stack {stack} --image IMAGE --pack PACK"
    )


def _delete(options: argparse.Namespace) -> int:
    from webui_async.deploy.stack_delete import Wanted, delete_stack

    aws = _aws(options.region)
    wanted = Wanted(bucket=options.with_bucket, images=options.with_images)
    if not options.yes and not _is_confirmed(options.stack, aws.region, wanted):
        print("nothing was deleted")
        return 1
    remains = delete_stack(aws, options.stack, wanted, print)
    print(_told(remains))
    return 1 if remains.left else 0


def _is_confirmed(stack: str, region: str, wanted: Wanted) -> bool:
    from webui_async.contract.errors import InvalidOption

    if not sys.stdin.isatty():
        raise InvalidOption("--yes", False, "nobody is there to be asked: say --yes to delete")
    things = ["stack"] + ["bucket with all jobs and models"] * wanted.bucket + ["images"] * wanted.images
    answer = input(
        f"This deletes the {', the '.join(things)} of {stack!r} in {region}. The stack's name to go on: "
    )
    return answer.strip() == stack


def _told(remains: Remains) -> str:
    kept = [
        f"kept: {line} ({option} removes it)"
        for line in remains.kept
        for kind, option in _OPTIONS.items()
        if line.startswith(kind)
    ]
    left = [f"left: {line}" for line in remains.left] or ["AWS lists nothing else of this stack's"]
    return "\n".join([*kept, *left, _SAM_BUCKET])


def _aws(region: str | None) -> Aws:
    """The clients of this machine. Raises AwsRefused when no region is said anywhere."""
    import boto3

    from webui_async.contract.errors import AwsRefused
    from webui_async.deploy.aws_errors import told
    from webui_async.deploy.clients import Aws

    with told("sts"):
        aws = Aws(boto3.Session(region_name=region))
    if not aws.region:
        raise AwsRefused("no AWS region is set: say it with --region, AWS_REGION or `aws configure`")
    return aws
