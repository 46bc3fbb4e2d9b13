"""docs/security.md: its table is whole, what it says of the template holds, and its commands do it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.translated import PATH, PSEUDO
from webui_async.local.control_plane import ControlPlane
from webui_async.local.template import Resource, read_template

PAGE = (PATH.parent / "docs" / "security.md").read_text()
ACTION = re.compile(r"`([a-z0-9]+:[A-Z][A-Za-z]+)`")
#: With every parameter that adds a policy.
EVERYTHING = {
    "KmsKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d",
    "EndpointInVpc": "true",
    "AlarmEmail": "art@example.com",
}


def allowed_by(resource: Resource) -> set[str]:
    """The actions of a role or a policy of the template."""
    properties = resource.properties
    documents = [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
    documents += [policy["PolicyDocument"] for policy in properties.get("Policies", ())]
    found = [statement["Action"] for document in documents for statement in document["Statement"]]
    return {action for one in found for action in ([one] if isinstance(one, str) else one)}


def test_the_table_has_every_role_with_every_action_and_no_other() -> None:
    resources = read_template(PATH, EVERYTHING, PSEUDO).resources.values()
    kinds = ("AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")
    told: dict[str, set[str]] = defaultdict(set)
    for line in PAGE.splitlines():
        if row := re.match(r"\| `(\w+)` \| (.+?) \|", line):
            told[row[1]] |= set(ACTION.findall(row[2]))

    assert told == {one.name: allowed_by(one) for one in resources if one.type in kinds}


def test_every_row_says_on_what_and_why() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| `\w+(Role|Policy)` ", line)]

    assert len(rows) > 30
    for row in rows:
        assert len([cell for cell in row.strip("|").split("|") if cell.strip()]) == 4, row


@pytest.mark.parametrize(
    "name", ["CallbackAllowHosts", "EndpointInVpc", "KmsKeyArn", "AlarmEmail", "OwnerAliases"]
)
def test_the_parameters_that_matter_are_named_and_exist(name: str) -> None:
    assert f"`{name}" in PAGE and name in read_template(PATH, {}, PSEUDO).parameters


def test_what_is_said_to_be_encrypted_is() -> None:
    resources = list(read_template(PATH, {}, PSEUDO).resources.values())
    by_type = defaultdict(list)
    for one in resources:
        by_type[one.type].append(one.properties)

    assert all(queue["SqsManagedSseEnabled"] is True for queue in by_type["AWS::SQS::Queue"])
    assert all("KmsMasterKeyId" not in topic for topic in by_type["AWS::SNS::Topic"]), (
        "the page says: not encrypted"
    )
    (bucket,) = by_type["AWS::S3::Bucket"]
    block = bucket["PublicAccessBlockConfiguration"]
    assert all(block.values()) and len(block) == 4


# The commands ----------------------------------------------------------------------------------------------


def commands(heading: str) -> list[str]:
    """The blocks of commands below a heading."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```bash\n(.*?)```", section, re.DOTALL)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    plane = ControlPlane.start(tmp_path_factory.mktemp("plane"))
    yield plane
    plane.stop()


class Shell:
    """A bash that stands in the account, with a `webui-async` that only notes its words."""

    def __init__(self, plane: ControlPlane, folder: Path):
        self.folder = folder
        (folder / "aws").symlink_to(Path(sys.executable).parent / "aws")
        deployer = folder / "webui-async"
        deployer.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@" >"$NOTES"\n')
        deployer.chmod(0o755)
        self.environment = {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "NOTES": str(folder / "notes"),
            "AWS_ENDPOINT_URL": plane.endpoint_url,
            "AWS_DEFAULT_REGION": plane.region,
            "AWS_PAGER": "",
            **plane.admin.environment(),
        }

    def run(self, block: str, **places: str) -> str:
        for name, value in places.items():
            block = re.sub(rf"\b{name}\b", value, block)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def shell(plane: ControlPlane, tmp_path: Path) -> Shell:
    return Shell(plane, tmp_path)


def test_the_commands_for_a_key_make_another_one_of_the_same_owner(plane: ControlPlane, shell: Shell) -> None:
    gateway = plane.client("apigateway")
    old = gateway.create_api_key(name="first", enabled=True)["id"]
    plan = gateway.create_usage_plan(name="plan")["id"]
    change, end = commands("An API key is changed")

    out = shell.run(change, NAME="second", USAGE_PLAN_ID=plan, OLD_KEY_ID=old, STACK="house")
    shell.run(end, OLD_KEY_ID=old)

    keys = {key["id"]: key for key in gateway.get_api_keys(includeValues=True)["items"]}
    (new,) = (key for key in keys.values() if key["name"] == "second")
    assert out.splitlines()[-1] == new["value"] and new["enabled"] and not keys[old]["enabled"]
    assert [key["id"] for key in gateway.get_usage_plan_keys(usagePlanId=plan)["items"]] == [new["id"]]
    words = (shell.folder / "notes").read_text().splitlines()
    assert words[:-1] == ["stack", "deploy", "--stack", "house", "--parameter"]
    name, _, aliases = words[-1].partition("=")
    assert name == "OwnerAliases" and json.loads(aliases) == {new["id"]: old}


def test_the_commands_for_the_secret_keep_the_old_one_until_it_is_ended(
    plane: ControlPlane, shell: Shell
) -> None:
    secrets = plane.client("secretsmanager")
    first = {"current": "a" * 64, "previous": ""}
    arn = secrets.create_secret(Name="house-callbacks", SecretString=json.dumps(first))["ARN"]

    def held() -> dict[str, Any]:
        document: dict[str, Any] = json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"])
        return document

    change, end = commands("The callback secret is changed")
    shell.run(change, SECRET_ARN=arn)
    during = held()
    shell.run(end, SECRET_ARN=arn)

    assert during["previous"] == first["current"]
    assert len(during["current"]) == 64 and during["current"] != first["current"]
    assert held() == {"current": during["current"], "previous": ""}
