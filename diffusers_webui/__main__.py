"""`python -m diffusers_webui`: take the port, open the routes, load the checkpoint behind them."""

import logging
import os
import socket
import sys

from diffusers_webui.arguments import Settings, parse
from diffusers_webui.errors import CannotStart

#: uvicorn's code for a server that could not start, and so the stock webui's for a taken port
_CANNOT_START = 3


def main() -> None:
    """Serve until a signal comes. Requests that are accepted, also those in line, are finished first."""
    settings = parse()
    # before any Hugging Face import: nothing is ever looked up or fetched over the network
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # diffusers folders would draw theirs into the log
    # torch's threads wait for each other by spinning; beside another busy process that makes a drawing
    # 20 times slower, and waiting asleep makes it twice as slow on a quiet machine: this lies between
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        listener = _listen(settings)
    except CannotStart as error:
        print(error, file=sys.stderr)
        sys.exit(_CANNOT_START)
    _serve(settings, listener)


def _serve(settings: Settings, listener: socket.socket) -> None:
    import uvicorn  # after the port is ours: a taken one is said at once

    from diffusers_webui.app import build_app
    from diffusers_webui.engine import Engine

    engine = Engine(settings)
    engine.start()
    config = uvicorn.Config(
        build_app(engine), access_log=False, log_level="info", lifespan="off", log_config=None
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    logging.shutdown()
    os._exit(0)  # a model that is still loading would keep the interpreter from ending


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.server_name else socket.AF_INET
    # the protocol is named, or asyncio leaves Nagle's algorithm on and every answer comes 40 ms late
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.server_name, settings.port))
    except OSError as error:
        raise CannotStart(
            f"cannot listen on {settings.server_name}:{settings.port}: {error.strerror}. "
            "Choose another --port, or end the process that holds it"
        ) from error
    return listener


if __name__ == "__main__":
    main()
