"""`webui-async stack deploy` with another `sam` on PATH: what it is called with, what each failure says."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.deploy.account import Account, bucket_of, open_account
from webui_async.cli import main
from webui_async.deploy import stack_deploy
from webui_async.deploy.inventory import Names
from webui_async.deploy.sam import Deployment
from webui_async.deploy.stack_deploy import deploy_stack
from webui_async.deploy.stack_record import FailedResource
from webui_async.deploy.stack_template import TEMPLATE

ROOT = Path(__file__).resolve().parents[3]
SAM = Path(__file__).parent / "commands" / "sam"
HOUSE = Names("house", "webui-async", bucket_of("house"))


class Machine:
    """A checkout, and a PATH of nothing but what the test puts there."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
        self.checkout, self.bin, self.notes = folder / "checkout", folder / "bin", folder / "notes"
        for path in (self.checkout / "lambda", self.bin, self.notes):
            path.mkdir(parents=True)
        shutil.copy(ROOT / TEMPLATE, self.checkout)
        (self.checkout / "lambda" / "build_zip.py").touch()
        self._capsys = capsys
        patch.chdir(self.checkout)
        patch.setenv("PATH", str(self.bin))
        patch.setenv("NOTES", str(self.notes))
        (self.bin / "sam").symlink_to(SAM)
        for tool in ("bash", "cat", "make", "python3", "env"):
            (self.bin / tool).symlink_to(
                shutil.which(tool, path="/usr/bin:/bin:/usr/local/bin") or "/bin/true"
            )

    def run(self, *words: str) -> tuple[int, str, str]:
        """Exit status, standard output and standard error of `webui-async stack deploy …`."""
        code = main(["stack", "deploy", *words])
        out, err = self._capsys.readouterr()
        return code, out, err

    def complaint(self, *words: str) -> str:
        """The one sentence that a run which failed ends with."""
        code, out, err = self.run(*words)
        assert code == 1 and out == ""
        return err.splitlines()[-1].removeprefix("webui-async: ")

    def calls(self) -> list[str]:
        path = self.notes / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def arguments(self, word: str) -> list[str]:
        return (self.notes / f"{word}-arguments").read_text().splitlines()

    def sam_says(self, word: str, text: str) -> None:
        (self.notes / f"{word}-says").write_text(text)

    def sam_fails(self, word: str, text: str) -> None:
        (self.notes / f"{word}-complains").write_text(text)


@pytest.fixture
def account() -> Iterator[Account]:
    with open_account() as made:
        yield made


@pytest.fixture
def machine(
    tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Machine:
    return Machine(tmp_path, monkeypatch, capsys)


@pytest.fixture
def deployed(account: Account) -> Account:
    """An account in which the stack is there already."""
    account.record("house", "webui-async")
    return account


# What sam is called with -----------------------------------------------------------------------------------


def test_sam_builds_and_deploys_and_asks_nothing(machine: Machine, deployed: Account) -> None:
    code, out, _ = machine.run("--stack", "house")

    built = machine.checkout / "build" / "sam"
    assert code == 0 and machine.calls() == ["build", "deploy"], "and nobody answered a question"
    assert machine.arguments("build") == [
        "build", "--template-file", str(machine.checkout / TEMPLATE), "--build-dir", str(built),
        "--region", "eu-central-1",
    ]  # fmt: skip
    assert machine.arguments("deploy") == [
        "deploy", "--template-file", str(built / TEMPLATE), "--stack-name", "house",
        "--region", "eu-central-1", "--capabilities", "CAPABILITY_IAM",
        "--no-fail-on-empty-changeset", "--resolve-s3", "--no-confirm-changeset",
    ]  # fmt: skip
    assert (machine.notes / "deploy-world").read_text().split() == [str(machine.checkout), "0"]
    assert out.splitlines()[:2] == [f"BucketName    {HOUSE.bucket}", "EndpointName  webui-async"]
    assert (
        f"next:  ./build_and_push.sh eu-central-1\n       webui-async models push DIR s3://{HOUSE.bucket}"
        in out
    )


def test_parameters_reach_sam_whatever_is_in_them(machine: Machine, deployed: Account) -> None:
    aliases = """OwnerAliases={"k 1": "o'1"}"""
    code, *_ = machine.run("--stack", "house", "--parameter", "MaxActiveJobs=5", "--parameter", aliases)

    assert code == 0
    assert machine.arguments("deploy")[-3:] == [
        "--parameter-overrides", 'MaxActiveJobs="5"', 'OwnerAliases="{\\"k 1\\": \\"o\'1\\"}"',
    ]  # fmt: skip


def test_guided_lets_sam_ask(
    machine: Machine, deployed: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "typed").write_text("yes\n")
    with (tmp_path / "typed").open() as typed, monkeypatch.context() as patch:
        run = subprocess.run
        patch.setattr(subprocess, "run", lambda *words, **options: run(*words, **options, stdin=typed))
        code, *_ = machine.run("--stack", "house", "--guided")

    assert code == 0 and machine.calls() == ["build", "deploy", "answered: yes"]
    words = machine.arguments("deploy")
    assert "--guided" in words and not {"--resolve-s3", "--no-confirm-changeset"} & set(words)


def test_what_sam_prints_is_seen_and_stdout_holds_the_outputs_alone(
    machine: Machine, deployed: Account
) -> None:
    machine.sam_says("deploy", "Waiting for changeset to be created..\n")

    _, out, err = machine.run("--stack", "house")

    assert "Waiting for changeset" in err and "Waiting" not in out


def test_a_stack_that_was_not_there_is_made(machine: Machine, account: Account) -> None:
    machine.sam_says("deploy", "CREATE_COMPLETE\n")

    def tell(line: str) -> None:
        if line == "CREATE_COMPLETE":  # what the real one has brought about by then
            account.record("house", "webui-async")

    outputs = deploy_stack(account, Deployment(machine.checkout, "house", account.region), tell)

    assert outputs["BucketName"] == HOUSE.bucket


# What is refused before sam is called ----------------------------------------------------------------------


def test_a_machine_without_sam_is_told_how_to_get_it(machine: Machine) -> None:
    (machine.bin / "sam").unlink()

    assert "pipx install aws-sam-cli" in machine.complaint()


@pytest.mark.parametrize("tool", ["make", "python3"])
def test_what_sam_builds_with_is_looked_for_first(machine: Machine, tool: str) -> None:
    (machine.bin / tool).unlink()

    assert f"`sam build` makes the functions with {tool}" in machine.complaint()
    assert machine.calls() == []


def test_no_region_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")

    assert "no AWS region is set: say it with --region" in machine.complaint()


def test_no_credentials_are_told_before_anything_is_built(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")

    assert "no usable AWS credentials" in machine.complaint()
    assert machine.calls() == []


def test_what_an_earlier_stack_left_is_named_instead_of_failing_after_minutes(
    machine: Machine, account: Account
) -> None:
    account.fill_leftovers(HOUSE)

    said = machine.complaint("--stack", "house")

    assert f"S3 bucket {HOUSE.bucket}" in said and "secret house-callbacks" in said
    assert "log group /aws/sagemaker/Endpoints/webui-async" in said and "ECR repository" not in said
    assert "webui-async stack delete --stack house --with-bucket" in said and machine.calls() == []


def test_another_bucket_and_endpoint_are_looked_for_by_their_names(
    machine: Machine, account: Account
) -> None:
    account.fill_leftovers(HOUSE)
    named = ("--parameter", "BucketName=pictures", "--parameter", "EndpointName=painter")

    said = machine.complaint("--stack", "house", *named)

    assert "S3 bucket" not in said and "/aws/sagemaker" not in said and "secret house-callbacks" in said


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        ("ROLLBACK_COMPLETE", "webui-async stack delete --stack house"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name house"),
        ("UPDATE_IN_PROGRESS", "Wait for its end"),
    ],
)
def test_a_stack_that_cannot_be_changed_now_is_told(
    machine: Machine, deployed: Account, monkeypatch: pytest.MonkeyPatch, status: str, remedy: str
) -> None:
    read = stack_deploy.read_record

    def reread(*arguments: Any) -> Any:
        record = read(*arguments)
        return type(record)(record.id, status, record.names)

    monkeypatch.setattr(stack_deploy, "read_record", reread)

    said = machine.complaint("--stack", "house")

    assert status in said and remedy in said and machine.calls() == []


# What sam says when it fails -------------------------------------------------------------------------------


def test_a_build_that_fails_says_sams_last_line(machine: Machine, deployed: Account) -> None:
    machine.sam_fails("build", "Build Failed\nError: CustomMakeBuilder:MakeBuild - Make Failed: no rule.\n\n")

    assert "`sam build` failed: CustomMakeBuilder:MakeBuild - Make Failed: no rule" in machine.complaint(
        "--stack", "house"
    )
    assert machine.calls() == ["build"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Error: Unable to locate credentials", "use `aws sso login`"),
        (
            "An error occurred (ExpiredToken) when calling the CreateChangeSet operation: The security token "
            "included in the request is expired",
            "have expired: log in again",
        ),
        (
            "User: arn:aws:iam::123456789012:user/art is not authorized to perform: "
            "cloudformation:CreateChangeSet on resource: "
            "arn:aws:cloudformation:eu-central-1:aws:transform/Serverless-2016-10-31",
            "grant cloudformation:CreateChangeSet on arn:aws:cloudformation:eu-central-1:aws:transform/",
        ),
        (
            'Could not connect to the endpoint URL: "https://cloudformation.eu-central-1.amazonaws.com/"',
            "the network",
        ),
        ("\x1b[31mError: it rains.\x1b[0m\n", "`sam deploy` failed: it rains"),
        ("", "`sam deploy` failed: it said nothing"),
    ],
)
def test_a_deployment_that_fails_says_what_to_do(
    machine: Machine, deployed: Account, text: str, told: str
) -> None:
    machine.sam_fails("deploy", text)

    assert told in machine.complaint("--stack", "house")


def test_a_resource_that_cloudformation_could_not_make_is_named(
    machine: Machine, deployed: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.sam_fails(
        "deploy", "Error: Failed to create/update the stack: house, Waiter encountered a terminal state"
    )
    why = "the limit of 100 topics is reached"
    failed = FailedResource("AlarmsTopic", "AWS::SNS::Topic", why)
    monkeypatch.setattr(stack_deploy, "first_failure", lambda *_: failed)

    assert machine.complaint("--stack", "house") == (
        f"CloudFormation could not make AlarmsTopic (AWS::SNS::Topic) of stack 'house': {why}"
    )
