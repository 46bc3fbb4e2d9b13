"""A small checkout with the real build_and_push.sh, and a PATH of nothing but what the test puts there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer

ROOT = Path(__file__).parents[3]
COMMANDS = Path(__file__).parent / "commands"
REGION = "eu-central-1"
#: What the script may count on beside git, the AWS CLI and an engine.
TOOLS = "awk bash cat cut dirname env git grep mktemp rm sed tail tee tr".split()
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass(frozen=True)
class Run:
    """How a run of the script ended."""

    code: int
    images: list[str]  #: the lines of its stdout
    said: str  #: its stderr

    @property
    def complaint(self) -> str:
        """The last line on stderr, without the script's name; only of a run that failed."""
        assert self.code == 1 and not self.images, self
        return self.said.splitlines()[-1].removeprefix("build_and_push: ")


class Project:
    """The checkout. Everything it needs is there and well until a test says otherwise."""

    def __init__(self, folder: Path, aws_url: str):
        self.root, self.bin, self.notes = folder / "project", folder / "bin", folder / "notes"
        for path in (self.root, self.bin, self.notes, folder / "home"):
            path.mkdir(parents=True)
        self.environment = {
            "PATH": str(self.bin), "HOME": str(folder / "home"), "NOTES": str(self.notes),
            "REAL_AWS": str(Path(sys.executable).parent / "aws"), "AWS_ENDPOINT_URL": aws_url,
            "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1",
        }  # fmt: skip
        for tool in TOOLS:
            (self.bin / tool).symlink_to(str(shutil.which(tool)))
        (self.bin / "aws").symlink_to(COMMANDS / "aws")
        self.install("docker")
        self.pushes_as(DOCKER_MANIFEST)
        shutil.copy(ROOT / "build_and_push.sh", self.root)
        for name in ("inference", "training"):
            (self.root / f"Dockerfile.{name}").write_text("FROM scratch\n")
        (self.root / "pyproject.toml").write_text('[project]\nname = "webui-async"\nversion = "0.1.0"\n')
        self.git("init", "--quiet")
        self.commit()

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        done = subprocess.run(
            ["git", *identity, *arguments],
            cwd=self.root,
            env=self.environment,
            check=True,
            capture_output=True,
        )
        return done.stdout.decode().strip()

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "c")

    @property
    def revision(self) -> str:
        return self.git("rev-parse", "HEAD")

    @property
    def tag(self) -> str:
        return f"0.1.0-{self.revision[:12]}"

    def install(self, *engines: str) -> None:
        for engine in engines:
            (self.bin / engine).symlink_to(COMMANDS / "engine")

    def remove(self, *commands: str) -> None:
        for command in commands:
            (self.bin / command).unlink()

    def fails(self, command: str, last_words: str) -> None:
        """command: `docker-push`, `buildah-info`, `aws-create-repository`."""
        (self.notes / command).write_text(last_words + "\n")

    def has_its_repository(self) -> None:
        """Spare the test ECR, where only the engine matters: the repository is there, the image is not."""
        answers = {
            "get-caller-identity": "123456789012\tarn:aws:iam::123456789012:user/art",
            "describe-repositories": "IMMUTABLE", "get-lifecycle-policy": "", "get-repository-policy": "",
            "get-login-password": "hush",
        }  # fmt: skip
        for command, answer in answers.items():
            (self.notes / f"answer-{command}").write_text(answer)
        self.fails("aws-describe-images", "An error occurred (ImageNotFoundException): no such image")

    def pushes_as(self, media_type: str) -> None:
        layers = [{"digest": "sha256:" + "0" * 64}]
        manifest = {"schemaVersion": 2, "mediaType": media_type, "config": {"size": 1}, "layers": layers}
        (self.notes / "manifest.json").write_text(json.dumps(manifest))

    def calls(self, *beginnings: str) -> list[str]:
        """The noted calls of the engines and of aws that begin with one of these."""
        path = self.notes / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line.startswith(beginnings or ("",))]

    def run(self, *arguments: str, **environment: str) -> Run:
        """The script, called from another folder than its own."""
        done = subprocess.run(
            [str(self.root / "build_and_push.sh"), *arguments], cwd=self.bin, text=True, capture_output=True,
            stdin=subprocess.DEVNULL, env=self.environment | environment, timeout=120,
        )  # fmt: skip
        return Run(done.returncode, done.stdout.splitlines(), done.stderr)


@pytest.fixture(scope="session")
def aws_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


def post(url: str, body: bytes = b"") -> None:
    with urlopen(Request(url, data=body, headers={"Content-Type": "text/plain"}, method="POST")):
        pass


def client_of(name: str, aws_url: str, region: str = REGION) -> Any:
    return boto3.client(
        name, region, endpoint_url=aws_url, aws_access_key_id="testing", aws_secret_access_key="testing"
    )


@pytest.fixture
def project(tmp_path: Path, aws_url: str) -> Project:
    post(f"{aws_url}/moto-api/reset")
    return Project(tmp_path, aws_url)


@pytest.fixture
def ecr(aws_url: str) -> Any:
    return client_of("ecr", aws_url)


@pytest.fixture
def enforce_iam(aws_url: str) -> Iterator[Callable[[], None]]:
    """From the call on, moto refuses what no policy allows; until the end of the test."""
    yield lambda: post(f"{aws_url}/moto-api/reset-auth", b"0")
    post(f"{aws_url}/moto-api/reset-auth", b"inf")
