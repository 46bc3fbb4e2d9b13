"""The AWS SAM CLI: where it is, what it is called with, and what its complaints mean."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from webui_async.contract.errors import (
    AwsUnreachable,
    CredentialsRefused,
    DeployFailed,
    NotAllowed,
    PipelineError,
    ToolMissing,
)
from webui_async.deploy.aws_errors import GO_ON
from webui_async.deploy.making import Say
from webui_async.packager.s3_errors import read_refusal

#: Below the checkout; git ignores it.
BUILD_DIR = Path("build/sam")
#: The template's roles have no names of their own, so no more than this.
CAPABILITY = "CAPABILITY_IAM"
INSTALL = (
    "https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/install-sam-cli.html"
)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_NOTHING_SAID, _ABOVE = "it said nothing", "its words stand above"


@dataclass(frozen=True)
class Deployment:
    """What `sam` is to deploy."""

    checkout: Path  #: the folder of template.yaml
    stack: str
    region: str
    parameters: Mapping[str, str] = field(default_factory=dict)  #: of the template; others keep their value
    is_guided: bool = False  #: sam asks, and writes samconfig.toml

    @property
    def build_command(self) -> list[str]:
        template, build = self.checkout / "template.yaml", self.checkout / BUILD_DIR
        return ["build", "--template-file", str(template), "--build-dir", str(build), "--region", self.region]

    @property
    def deploy_command(self) -> list[str]:
        words = ["deploy", "--template-file", str(self.checkout / BUILD_DIR / "template.yaml")]
        words += ["--stack-name", self.stack, "--region", self.region, "--capabilities", CAPABILITY]
        words += ["--no-fail-on-empty-changeset"]
        words += ["--guided"] if self.is_guided else ["--resolve-s3", "--no-confirm-changeset"]
        if self.parameters:
            words += ["--parameter-overrides", *map(_override, self.parameters, self.parameters.values())]
        return words


def _override(name: str, value: str) -> str:
    """Key and value as sam takes them apart. Source: aws-sam-cli, cli/types.py, CfnParameterOverridesType."""
    escaped = value.replace('"', '\\"')
    return f'{name}="{escaped}"'


def find_tools() -> str:
    """The path of `sam`. Raises ToolMissing when it, or what it builds the functions with, is not on PATH."""
    sam = shutil.which("sam")
    if sam is None:
        raise ToolMissing(
            "the AWS SAM CLI is not installed: no `sam` on PATH. Install it with `pipx install aws-sam-cli`, "
            f"or as {INSTALL} says"
        )
    for tool in ("make", "python3"):
        if shutil.which(tool) is None:
            raise ToolMissing(
                f"`sam build` makes the functions with {tool}, which is not on PATH: install {tool}"
            )
    return sam


def build(sam: str, deployment: Deployment, say: Say) -> None:
    """The functions and the template are ready in build/sam. Raises DeployFailed."""
    code, said = _run([sam, *deployment.build_command], deployment.checkout, say)
    if code:
        raise DeployFailed(f"`sam build` failed: {_last(said)}. The whole of it stands above")


def deploy(sam: str, deployment: Deployment, say: Say) -> None:
    """The stack is as the template says. Raises DeployFailed and, when sam tells why, better ones."""
    command = [sam, *deployment.deploy_command]
    if deployment.is_guided:  # sam talks to the person itself
        code = subprocess.run(command, cwd=deployment.checkout, env=_environment()).returncode
        said = [_ABOVE]
    else:
        code, said = _run(command, deployment.checkout, say)
    if code:
        raise _explained(said)


def _run(command: Sequence[str], folder: Path, say: Say) -> tuple[int, list[str]]:
    """Exit status and lines of a command that nobody can answer."""
    said = []
    with subprocess.Popen(
        command,
        cwd=folder,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            say(line.rstrip("\n"))
            said.append(_COLOURS.sub("", line).strip())
    return process.returncode, said


def _environment() -> dict[str, str]:
    # Nobody asked for a report to AWS of how sam is used; who wants one sets it.
    return {"SAM_CLI_TELEMETRY": "0"} | dict(os.environ)


def _last(said: Sequence[str]) -> str:
    """The last line that says something, without sam's own beginning and full stop."""
    line = next((line for line in reversed(said) if line), _NOTHING_SAID)
    return line.removeprefix("Error: ").rstrip(".")


def _explained(said: Sequence[str]) -> PipelineError:
    text = " ".join(said)
    for pattern, make in _COMPLAINTS:
        if re.search(pattern, text, re.IGNORECASE):
            return make(text)
    return DeployFailed(f"`sam deploy` failed: {_last(said)}. The whole of it stands above")


def _not_allowed(text: str) -> NotAllowed:
    refused = read_refusal(text)
    resource = f" on {refused.resource}" if refused.resource else ""
    return NotAllowed(f"AWS refuses `sam deploy`{refused.told}: grant {refused.action or 'it'}{resource}")


def _saying(error: type[PipelineError], message: str) -> Callable[[str], PipelineError]:
    return lambda _: error(message)


#: What sam's output holds -> what it means. Sources: botocore's and aws-sam-cli's own texts.
_COMPLAINTS: tuple[tuple[str, Callable[[str], PipelineError]], ...] = (
    ("not authorized to perform", _not_allowed),
    (
        "Unable to locate credentials|Error loading SSO Token|NoCredentials",
        _saying(
            CredentialsRefused,
            "sam finds no AWS credentials: use `aws sso login` or `aws configure`, or set AWS_PROFILE",
        ),
    ),
    (
        "ExpiredToken|security token included in the request is expired",
        _saying(CredentialsRefused, f"the AWS credentials have expired: log in again. {GO_ON}"),
    ),
    (
        "Could not connect to the endpoint|Connection was closed|Connect timeout",
        _saying(AwsUnreachable, f"sam could not reach AWS: look at the network. {GO_ON}"),
    ),
)
