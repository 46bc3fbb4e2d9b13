"""build_and_push.sh with the real `aws` command against ECR on moto; only the engine is a fake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from webui_async.local.template import load_yaml

from .conftest import DOCKER_MANIFEST, REGION, ROOT, Project, Run, client_of, post

REGISTRY = f"123456789012.dkr.ecr.{REGION}.amazonaws.com"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
READ_ONLY = ("describe-", "get-", "configure get")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, aws_url: str) -> tuple[Project, Run, Any]:
    """One run of both images into an empty account: the project, the run and what ECR then holds."""
    post(f"{aws_url}/moto-api/reset")
    project = Project(tmp_path_factory.mktemp("first"), aws_url)
    run = project.run(REGION, "--", "--build-arg", "BASE_IMAGE=debian:12 slim")
    assert run.code == 0, run.said
    ecr = client_of("ecr", aws_url)
    held = {}
    for repository in ecr.describe_repositories()["repositories"]:
        name = repository["repositoryName"]
        held[name] = {
            "repository": repository,
            "tags": [
                image["imageTags"] for image in ecr.describe_images(repositoryName=name)["imageDetails"]
            ],
            "lifecycle": json.loads(ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"]),
            "policy": json.loads(ecr.get_repository_policy(repositoryName=name)["policyText"]),
        }
    return project, run, held


def test_stdout_is_the_uris_alone(first: tuple[Project, Run, Any]) -> None:
    project, run, _ = first
    assert run.images == [
        f"{REGISTRY}/webui-async-{name}:{project.tag}" for name in ("inference", "training")
    ]


def test_every_dockerfile_becomes_a_tagged_image(first: tuple[Project, Run, Any]) -> None:
    project, _, held = first
    assert {name: what["tags"] for name, what in held.items()} == {
        "webui-async-inference": [[project.tag]],
        "webui-async-training": [[project.tag]],
    }


def test_the_template_lets_the_endpoint_pull_the_repository_that_is_made(
    first: tuple[Project, Run, Any],
) -> None:
    template = load_yaml(ROOT / "template.yaml")
    assert template["Parameters"]["ImageRepository"]["Default"] in first[2]


def test_a_new_repository_scans_encrypts_and_keeps_its_tags(first: tuple[Project, Run, Any]) -> None:
    for what in first[2].values():
        assert what["repository"]["imageTagMutability"] == "IMMUTABLE"
        assert what["repository"]["imageScanningConfiguration"] == {"scanOnPush": True}
        assert what["repository"]["encryptionConfiguration"] == {"encryptionType": "AES256"}


def test_a_new_repository_expires_untagged_images_and_keeps_the_last_twenty(
    first: tuple[Project, Run, Any],
) -> None:
    untagged, old = first[2]["webui-async-inference"]["lifecycle"]["rules"]
    assert untagged["selection"] == {
        "tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 7,
    }  # fmt: skip
    assert old["selection"] == {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 20}
    assert untagged["rulePriority"] < old["rulePriority"], "ECR wants tagStatus any as the last rule"


def test_a_new_repository_is_closed_to_other_accounts(first: tuple[Project, Run, Any]) -> None:
    (statement,) = first[2]["webui-async-inference"]["policy"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "ecr:*")
    assert statement["Condition"]["StringNotEquals"] == {"aws:PrincipalAccount": "123456789012"}


def test_the_build_names_platform_version_revision_and_the_callers_own_options(
    first: tuple[Project, Run, Any],
) -> None:
    project, run, _ = first
    built = project.calls("docker buildx build")
    assert built[0] == (
        "docker buildx build --provenance=false --output type=docker --platform linux/amd64"
        f" --file Dockerfile.inference --tag {run.images[0]}"
        f" --build-arg VERSION=0.1.0 --build-arg REVISION={project.revision}"
        " --build-arg BASE_IMAGE=debian:12 slim ."
    )
    assert len(built) == 2


@pytest.mark.parametrize("path", sorted(ROOT.glob("Dockerfile.*")), ids=lambda path: path.name)
def test_the_projects_dockerfiles_take_what_the_build_names(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert all(any(line.startswith(f"ARG {name}=") for line in lines) for name in ("VERSION", "REVISION"))


def test_the_password_goes_through_stdin_once_and_is_told_to_nobody(first: tuple[Project, Run, Any]) -> None:
    project, run, _ = first
    password = (project.notes / "password").read_text().strip()
    assert password
    assert project.calls("docker login") == [f"docker login --username AWS --password-stdin {REGISTRY}"]
    assert password not in run.said + "\n".join(project.calls())


def hold_image(
    ecr: Any, project: Project, name: str = "inference", media_type: str = DOCKER_MANIFEST
) -> None:
    """As a push of the project's commit has left it, a lifecycle policy apart."""
    repository = f"webui-async-{name}"
    project.pushes_as(media_type)
    manifest = (project.notes / "manifest.json").read_text()
    ecr.create_repository(repositoryName=repository, imageTagMutability="IMMUTABLE")
    ecr.put_image(repositoryName=repository, imageTag=project.tag, imageManifest=manifest)


def test_what_is_pushed_already_is_not_built_again(project: Project, ecr: Any) -> None:
    hold_image(ecr, project)
    again = project.run("--only=inference", REGION)
    assert (again.code, again.images) == (0, [f"{REGISTRY}/webui-async-inference:{project.tag}"])
    assert "is there already" in again.said
    assert not project.calls("docker buildx build", "docker push", "docker login")


def test_another_commit_is_another_image(project: Project, ecr: Any) -> None:
    hold_image(ecr, project, media_type=OCI_MANIFEST)
    (project.root / "pyproject.toml").write_text('version = "0.2.0+cu124"\n')
    project.commit()
    project.pushes_as(DOCKER_MANIFEST)
    (uri,) = project.run("--only", "inference", REGION).images
    assert uri.endswith(f":0.2.0-cu124-{project.revision[:12]}"), "a tag may hold no plus sign"
    assert len(ecr.describe_images(repositoryName="webui-async-inference")["imageDetails"]) == 2


def test_a_run_that_broke_off_is_completed_and_own_policies_are_left_alone(
    project: Project, ecr: Any
) -> None:
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 3}
    own = {"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]}
    ecr.create_repository(repositoryName="webui-async-inference")
    ecr.put_lifecycle_policy(repositoryName="webui-async-inference", lifecyclePolicyText=json.dumps(own))
    run = project.run("--only", "inference", REGION)
    assert run.code == 0, run.said
    assert json.loads(
        ecr.get_lifecycle_policy(repositoryName="webui-async-inference")["lifecyclePolicyText"]
    ) == own  # fmt: skip
    assert "OwnAccountOnly" in ecr.get_repository_policy(repositoryName="webui-async-inference")["policyText"]
    assert "put-image-tag-mutability" in run.said, "it was made with tags that can be overwritten"


def test_a_rival_who_pushes_the_same_commit_first_is_no_failure(project: Project) -> None:
    (project.notes / "rival").touch()
    project.fails(
        "docker-push",
        f"tag invalid: The image tag '{project.tag}' already exists in the 'webui-async-inference' repository"
        " and cannot be overwritten because the repository is immutable.",
    )
    run = project.run("--only", "inference", REGION)
    assert run.code == 0 and run.images == [f"{REGISTRY}/webui-async-inference:{project.tag}"]
    assert "somebody else pushed" in run.said


def test_a_push_that_did_not_arrive_is_a_failure(project: Project) -> None:
    project.has_its_repository()
    (project.notes / "lost").touch()
    assert "but ECR does not have it" in project.run("--only", "inference", REGION).complaint


def test_an_image_that_sagemaker_refuses_is_a_failure_each_time(project: Project, ecr: Any) -> None:
    hold_image(ecr, project, media_type=OCI_MANIFEST)
    complaint = project.run("--only", "inference", REGION).complaint
    assert f"is of type {OCI_MANIFEST}, which SageMaker refuses" in complaint
    assert f"--repository-name webui-async-inference --image-ids imageTag={project.tag}" in complaint


def test_a_run_that_fails_at_its_second_image_has_told_the_first(project: Project, ecr: Any) -> None:
    hold_image(ecr, project)
    project.fails("docker-login", "boom")
    run = project.run(REGION)
    assert run.code == 1 and run.images == [f"{REGISTRY}/webui-async-inference:{project.tag}"]


def test_the_region_is_the_profiles_when_nobody_names_one(project: Project) -> None:
    config = Path(project.environment["HOME"]) / ".aws" / "config"
    config.parent.mkdir()
    config.write_text("[profile art]\nregion = us-west-2\n")
    no_keys = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    run = project.run("--dry-run", "--only", "inference", AWS_PROFILE="art", **no_keys)
    assert "dkr.ecr.us-west-2.amazonaws.com" in run.images[0]


@pytest.mark.parametrize(
    ("arguments", "environment", "region"),
    [
        (["us-west-2"], {"AWS_REGION": "eu-west-1"}, "us-west-2"),
        ([], {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"}, "eu-west-1"),
        ([], {"AWS_DEFAULT_REGION": "us-east-1"}, "us-east-1"),
    ],
)
def test_the_region_is_the_arguments_before_the_environments(
    project: Project, arguments: list[str], environment: dict[str, str], region: str
) -> None:
    project.remove("aws")
    (uri,) = project.run("--dry-run", "--only", "inference", *arguments, **environment).images
    assert f".ecr.{region}." in uri


@pytest.mark.parametrize(
    ("region", "domain"),
    [
        ("us-gov-west-1", "amazonaws.com"),
        ("cn-north-1", "amazonaws.com.cn"),
        ("eusc-de-east-1", "amazonaws.eu"),
    ],
)
def test_a_registry_has_its_partitions_domain(project: Project, region: str, domain: str) -> None:
    project.remove("aws")
    (uri,) = project.run(
        "--dry-run", "--only", "inference", "--repository-prefix", "team/webui", region
    ).images
    assert uri == f"ACCOUNT.dkr.ecr.{region}.{domain}/team/webui-inference:{project.tag}"


def test_a_dry_run_shows_every_command_and_changes_nothing(project: Project, ecr: Any) -> None:
    dry = project.run("--dry-run", "--only", "inference", REGION)
    assert dry.code == 0 and ecr.describe_repositories()["repositories"] == []
    assert not project.calls("docker build ", "docker buildx build", "docker push", "docker login")
    assert all(any(word in call for word in READ_ONLY) for call in project.calls("aws"))
    (project.notes / "calls").unlink()
    real = project.run("--only", "inference", REGION)
    assert [line for line in dry.said.splitlines() if line.startswith("+")] == [
        line for line in real.said.splitlines() if line.startswith("+")
    ]
    assert dry.images == real.images


def test_a_dry_run_of_what_is_pushed_builds_nothing(project: Project, ecr: Any) -> None:
    hold_image(ecr, project)
    dry = project.run("--dry-run", "--only", "inference", REGION)
    assert "is there already" in dry.said and "docker" not in dry.said


def test_a_dry_run_names_every_obstacle_and_still_shows_the_plan(project: Project) -> None:
    project.remove("aws", "docker")
    (project.root / "new.py").touch()
    run = project.run("--dry-run", REGION)
    obstacles = [line for line in run.said.splitlines() if "a run would stop here" in line]
    assert run.code == 0 and len(run.images) == 2
    assert [word in line for word, line in zip(("new.py", "docker", "AWS CLI"), obstacles, strict=True)] == [
        True
    ] * 3
    assert run.said.count("create-repository") == run.said.count("docker push") == 2
