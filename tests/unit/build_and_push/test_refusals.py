"""What stops build_and_push.sh: one sentence each, with what happened and what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest

from .conftest import REGION, Project, client_of


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--verbose"], "there is no option --verbose: --help lists them"),
        (["--only"], "--only needs a value"),
        (["--only="], "--only needs a value"),
        (["--only", "infer"], "there is no Dockerfile.infer: --only takes inference or training"),
        (["--repository-prefix", "Art"], "'Art' cannot begin a repository's name: write lower case"),
        (["eu-central-1", "us-east-1"], "two regions, eu-central-1 and us-east-1"),
        (["frankfurt"], "'frankfurt' is not a region's name: it looks like eu-central-1"),
        ([], "no region: say ./build_and_push.sh REGION, or set AWS_REGION"),
    ],
)
def test_a_wrong_argument_is_named_before_aws_is_asked(
    project: Project, arguments: list[str], complaint: str
) -> None:
    assert project.run(*arguments).complaint.startswith(complaint)
    assert project.calls() in ([], ["aws configure get region"])


def test_help_tells_the_options(project: Project) -> None:
    run = project.run("--help")
    assert run.code == 0 and not run.said
    assert all(
        word in "\n".join(run.images) for word in ("--dry-run", "--only", "--repository-prefix", "REGION")
    )


def test_copies_of_dockerfiles_are_no_dockerfiles(project: Project) -> None:
    for name in ("Dockerfile.inference~", "Dockerfile.inference.dockerignore", "Dockerfile.training.orig"):
        (project.root / name).touch()
    project.commit()
    project.remove("aws")
    assert len(project.run("--dry-run", REGION).images) == 2


def test_a_project_without_dockerfiles_is_no_project(project: Project) -> None:
    for path in project.root.glob("Dockerfile.*"):
        path.unlink()
    assert "no Dockerfile.NAME in" in project.run(REGION).complaint


def test_uncommitted_changes_are_refused_because_the_tag_names_a_commit(project: Project) -> None:
    (project.root / "Dockerfile.inference").write_text("FROM other\n")
    (project.root / "serve.py").touch()
    complaint = project.run(REGION).complaint
    assert complaint.startswith("not everything is committed (2, the first is  M Dockerfile.inference)")
    assert not project.calls()


def test_an_unpacked_archive_is_refused(project: Project) -> None:
    shutil.rmtree(project.root / ".git")
    assert "is not a git checkout" in project.run(REGION, GIT_CEILING_DIRECTORIES="/").complaint


def test_a_checkout_without_a_commit_is_refused(project: Project) -> None:
    shutil.rmtree(project.root / ".git")
    project.git("init", "--quiet")
    assert "make a first commit" in project.run(REGION).complaint


def test_a_checkout_of_another_user_is_refused_with_gits_own_remedy(project: Project) -> None:
    complaint = project.run(REGION, GIT_TEST_ASSUME_DIFFERENT_OWNER="1").complaint
    assert "git config --global --add safe.directory" in complaint


def test_a_version_nobody_wrote_is_refused(project: Project) -> None:
    (project.root / "pyproject.toml").write_text("")
    project.commit()
    assert "pyproject.toml has no version" in project.run(REGION).complaint


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("git", "git is not installed"),
        ("aws", "the AWS CLI is not installed"),
        ("docker", "nothing here builds images: install docker, podman or buildah"),
    ],
)
def test_a_missing_command_is_named(project: Project, command: str, complaint: str) -> None:
    project.remove(command)
    assert project.run(REGION).complaint.startswith(complaint)


def test_engines_that_do_not_answer_are_named(project: Project) -> None:
    project.install("podman")
    project.fails("docker-info", "Cannot connect to the Docker daemon")
    project.fails("podman-info", "no subuid ranges")
    assert '"info" fails for: docker podman' in project.run(REGION).complaint


def test_no_credentials(project: Project) -> None:
    run = project.run(REGION, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert run.complaint.startswith('no AWS credentials: run "aws configure"')


def test_a_profile_that_is_not_there(project: Project) -> None:
    assert project.run(REGION, AWS_PROFILE="gone").complaint.startswith("no AWS credentials")


def test_a_region_where_nobody_answers(project: Project) -> None:
    run = project.run("eu-middle-1", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert run.complaint.startswith("nothing answers for the region eu-middle-1: check its spelling")


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (
            "An error occurred (ExpiredToken) when calling the GetCallerIdentity operation:"
            " The security token included in the request is expired",
            "the AWS credentials have expired: sign in again",
        ),
        (
            "Error when retrieving token from sso: Token has expired and refresh failed",
            "the AWS credentials have expired: sign in again",
        ),
        (
            "Error loading SSO Token: Token for https://art.awsapps.com/start does not exist",
            "no AWS credentials: run",
        ),
        (
            "An error occurred (InvalidClientTokenId) when calling the GetCallerIdentity operation:"
            " The security token included in the request is invalid.",
            f"AWS knows no such credentials in {REGION}: check them, and that the region is enabled",
        ),
        (
            "An error occurred (ServiceUnavailable) when calling the GetCallerIdentity operation: later",
            f"sts:GetCallerIdentity in {REGION} failed: An error occurred (ServiceUnavailable)",
        ),
    ],
)
def test_credentials_that_aws_refuses(project: Project, said: str, complaint: str) -> None:
    project.fails("aws-get-caller-identity", said)
    assert project.run(REGION).complaint.startswith(complaint)
    assert not project.calls("docker build", "docker buildx build")


def test_a_missing_permission_is_named_by_its_action(
    project: Project, aws_url: str, enforce_iam: Callable[[], None]
) -> None:
    iam = client_of("iam", aws_url)
    iam.create_user(UserName="reader")
    statement = {"Effect": "Allow", "Action": ["sts:GetCallerIdentity", "ecr:Describe*"], "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=document)
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    enforce_iam()
    run = project.run(
        REGION, AWS_ACCESS_KEY_ID=key["AccessKeyId"], AWS_SECRET_ACCESS_KEY=key["SecretAccessKey"]
    )
    assert run.complaint.startswith("arn:aws:iam::123456789012:user/reader may not ecr:CreateRepository in")


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("describe-repositories", "ecr:DescribeRepositories"),
        ("get-lifecycle-policy", "ecr:GetLifecyclePolicy"),
        ("get-repository-policy", "ecr:GetRepositoryPolicy"),
        ("get-login-password", "ecr:GetAuthorizationToken"),
    ],
)
def test_every_action_that_is_denied_is_named(project: Project, operation: str, action: str) -> None:
    project.has_its_repository()
    project.fails(f"aws-{operation}", "An error occurred (AccessDeniedException) when calling: no")
    assert f" may not {action} in {REGION}" in project.run(REGION).complaint


@pytest.mark.parametrize(
    ("command", "last_words", "complaint"),
    [
        ("login", "Error: error storing credentials", "docker could not log in to 123456789012.dkr.ecr."),
        ("build", "ERROR: write /app: no space left on device", "the disk is full while docker builds"),
        ("build", "exec /bin/sh: exec format error", "this machine runs no linux/amd64"),
        (
            "build",
            "E: no such package\n\n",
            "docker could not build Dockerfile.inference, the cause stands above: E: no",
        ),
        (
            "push",
            "denied: User: x is not authorized to perform: ecr:InitiateLayerUpload",
            " may not push to webui-async-",
        ),
        ("push", "denied: Your authorization token has expired. Reauthenticate", "the log-in ran out"),
        ("push", "write /var/tmp/x: no space left on device", "the disk is full while docker pushes"),
        ("push", "read tcp: connection reset by peer", "docker could not push 123456789012.dkr.ecr."),
    ],
)
def test_an_engine_that_fails_is_explained(
    project: Project, command: str, last_words: str, complaint: str
) -> None:
    project.has_its_repository()
    project.fails("docker-buildx", "")
    project.fails(f"docker-{command}", last_words)
    assert complaint in project.run("--only", "inference", REGION).complaint
