"""Which of docker, podman and buildah build_and_push.sh takes, and how it speaks to each."""

from __future__ import annotations

import pytest

from .conftest import REGION, Project


def built_by(project: Project) -> str:
    """The build command of a plan, up to the options that all engines share."""
    run = project.run("--dry-run", "--only", "inference", REGION)
    (command,) = [line for line in run.said.splitlines() if "--platform linux/amd64" in line]
    return command.removeprefix("+ ").split(" --platform")[0]


@pytest.fixture
def bare(project: Project) -> Project:
    """A machine with neither an engine nor AWS."""
    project.remove("aws", "docker")
    return project


@pytest.mark.parametrize(
    ("installed", "command"),
    [
        (["docker", "podman", "buildah"], "docker buildx build --provenance=false --output type=docker"),
        (["podman", "buildah"], "podman build --format docker"),
        (["buildah"], "buildah build --format docker"),
    ],
)
def test_the_first_engine_of_docker_podman_buildah_builds(
    bare: Project, installed: list[str], command: str
) -> None:
    bare.install(*installed)
    assert built_by(bare) == command


def test_a_docker_without_its_daemon_is_passed_over(bare: Project) -> None:
    bare.install("docker", "buildah")
    bare.fails("docker-info", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.")
    assert built_by(bare).startswith("buildah build")


def test_a_docker_that_is_podman_is_spoken_to_as_podman(bare: Project) -> None:
    bare.install("docker", "podman")
    (bare.notes / "docker-is").write_text("podman")
    assert built_by(bare).startswith("podman build")


def test_a_docker_without_buildx_builds_as_it_always_did(bare: Project) -> None:
    bare.install("docker")
    bare.fails("docker-buildx", "docker: 'buildx' is not a docker command.")
    assert built_by(bare) == "docker build"


@pytest.mark.parametrize("engine", ["podman", "buildah"])
def test_the_other_engines_log_in_and_push_too(project: Project, engine: str) -> None:
    project.remove("docker")
    project.install(engine)
    project.has_its_repository()
    (project.notes / "lost").touch()
    project.run("--only", "inference", REGION)
    assert [call.split()[1] for call in project.calls(engine)] == [
        "--version", "info", "login", "build", "push",
    ]  # fmt: skip
