"""The image in a chroot of buildah's: SageMaker's `docker run IMAGE serve` for a machine without Docker."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from pathlib import Path
from typing import Any, Self

import httpx
import psutil

from tests.e2e.serve.harness import BUCKET, REGION, free_port, open_store, wait_for
from tests.image.commands import ROOT, buildah, run

#: torch and transformers on cold disks, then the warm-up drawing.
_START_S = 240.0
_STOP_S = 25.0


def read_config(image: str) -> dict[str, Any]:
    """Entrypoint, Env, Labels and the rest, in Docker's words."""
    config: dict[str, Any] = json.loads(run(buildah("inspect", "--type", "image", image)))["Docker"]["config"]
    return config


class RunningImage:
    """A container of the image. Nothing of it is left when its block ends: no process, no mount, no copy."""

    def __init__(self, image: str, place: Path, s3_url: str):
        self.port, self.engine_port = free_port(), free_port()
        self.store = open_store(s3_url)
        self._image, self._s3_url, self._log = image, s3_url, place / "log"
        self._container = ""
        self._process: subprocess.Popen[bytes] | None = None
        self.rootfs = Path()

    def __enter__(self) -> Self:
        self._container = run(buildah("from", "--pull-never", self._image)).strip()
        try:
            self.rootfs = Path(run(buildah("mount", self._container)).strip())
            self._process = self._start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._remove()

    def _start(self) -> subprocess.Popen[bytes]:
        settings = {
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self._s3_url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            # What SageMaker adds; the engine must see neither this nor the keys.
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/testing",
            "WEBUI_ASYNC_BUCKET": BUCKET,
            "WEBUI_ASYNC_ENDPOINT": "ink",
            # The chroot has this machine's network, where 8080 may be taken.
            "WEBUI_ASYNC_HOST": "127.0.0.1",
            "WEBUI_ASYNC_PORT": str(self.port),
            "WEBUI_ASYNC_ENGINE_PORT": str(self.engine_port),
        }
        environment = [f"--env={name}={value}" for name, value in settings.items()]
        pack = f"--volume={ROOT / 'model_layout'}:/opt/ml/model:ro"
        entrypoint = read_config(self._image)["Entrypoint"]
        command = buildah(
            "run", "--isolation", "chroot", pack, *environment, self._container, "--", *entrypoint, "serve"
        )
        with self._log.open("wb") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_ready(self) -> Self:
        wait_for(lambda: self._is_well() or not self.is_running, _START_S)
        assert self.is_running, self.log
        return self

    def _is_well(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ping", timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def serve(self) -> psutil.Process:
        """The process of `serve` itself, among those of buildah."""
        return next(process for process in self._processes() if process.cmdline()[1:3] == ["-m", "serve"])

    def engine(self) -> psutil.Process:
        return self.serve().children()[0]

    def _processes(self) -> list[psutil.Process]:
        assert self._process is not None
        children = psutil.Process(self._process.pid).children(recursive=True)
        return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]

    def stop(self) -> int:
        """What SageMaker does: SIGTERM to the container's first process. Gives the exit code."""
        assert self._process is not None
        self.serve().send_signal(signal.SIGTERM)
        return self._process.wait(_STOP_S)

    def _remove(self) -> None:
        if self.is_running and self._process is not None:
            for process in self._processes():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._process.kill()
            self._process.wait()
        run(buildah("umount", self._container))
        run(buildah("rm", self._container))
