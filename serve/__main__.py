"""`serve`, the word SageMaker passes: the engine, /ping and /invocations until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from serve import launch
from serve.app import make_app
from serve.container import MAX_THREADS, Container, make_container
from serve.release import release_all
from webui_async.contract.errors import PipelineError, SettingsError
from webui_async.contract.settings import ServeSettings, read_settings

logger = logging.getLogger("serve")

#: For answers that are already on their way when the container stops.
_LAST_ANSWERS_S = 2
_BACKLOG = 256


def main(arguments: list[str]) -> int:
    """The exit code."""
    if arguments not in ([], ["serve"]):
        print(f"usage: python -m serve [serve]; got {arguments}", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logger.setLevel(logging.INFO)  # and all below it; others would log each of their requests
    try:
        settings = read_settings(ServeSettings, os.environ)
        launch.command(settings)
        listener = _listen(settings)
    except PipelineError as error:
        print(f"serve: {error}", file=sys.stderr)
        return 1
    asyncio.run(_serve(settings, listener))
    return 0


async def _serve(settings: ServeSettings, listener: socket.socket) -> None:
    """Returns after SIGTERM or SIGINT, when nothing of ours runs any more."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(MAX_THREADS))
    told_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop.set)
    container = make_container(settings)
    runner = await _answer_on(listener, container)
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(container.supervisor.keep())
        await told_to_stop.wait()
        logger.info("told to stop, with %d jobs in hand", len(container.scheduler.hands))
        await release_all(container)
        keeping.cancel()
        await runner.cleanup()
    logger.info("stopped")
    logging.shutdown()
    # Not by returning: a thread that waits for an S3 that does not answer would hold the process for minutes.
    os._exit(0)


async def _answer_on(listener: socket.socket, container: Container) -> web.AppRunner:
    """Invocations are answered from now on. Its cleanup() lets those answers out that are on their way."""
    runner = web.AppRunner(make_app(container), access_log=None, shutdown_timeout=_LAST_ANSWERS_S)
    await runner.setup()
    await web.SockSite(runner, listener, backlog=_BACKLOG).start()
    return runner


def _listen(settings: ServeSettings) -> socket.socket:
    """Where SageMaker calls. Raises SettingsError when the port is taken."""
    try:
        return socket.create_server((settings.host, settings.port), backlog=_BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; "
            "stop who does, or set WEBUI_ASYNC_PORT"
        ) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
