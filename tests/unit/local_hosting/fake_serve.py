"""A container that does what its invocation's body tells it. Standard library only: it starts in 50 ms."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Handler(BaseHTTPRequestHandler):
    is_well = True
    in_flight = most_in_flight = turns = 0

    def do_GET(self) -> None:
        if os.environ.get("FAKE_STARTS") == "broken":
            self._answer(503, {"engine": "broken"})
        else:
            self._answer(200 if Handler.is_well else 503, {})

    def do_POST(self) -> None:
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Handler.in_flight += 1
        Handler.turns = turn = Handler.turns + 1
        Handler.most_in_flight = max(Handler.most_in_flight, Handler.in_flight)
        print(order.get("say", ""), end="", flush=True)
        time.sleep(order.get("sleep_s", 0))
        if order.get("die"):
            os._exit(7)
        if order.get("fall_ill"):
            Handler.is_well = False
        if "child" in order:
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            order["child"] = child.pid
        Handler.in_flight -= 1
        if order.get("chunked"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"no length")
            return
        self._answer(order.get("status", 200), self._sight(order) | {"turn": turn})

    def _sight(self, order: dict[str, Any]) -> dict[str, Any]:
        folder = os.environ["WEBUI_ASYNC_MODEL_DIR"]
        return {
            "order": order,
            "headers": dict(self.headers),
            "environment": dict(os.environ),
            "arguments": sys.argv[1:],
            "model_files": sorted(os.listdir(folder)),
            "pid": os.getpid(),
            "most_in_flight": Handler.most_in_flight,
        }

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    if os.environ.get("FAKE_STARTS") == "never":
        sys.exit("the checkpoint is corrupt")
    if (starts := os.environ.get("FAKE_STARTS", "")).startswith("once:"):
        # The file is a sign that it has started before.
        try:
            open(starts.removeprefix("once:"), "x").close()
        except FileExistsError:
            sys.exit("the disk is full")
    if os.environ.get("FAKE_SIGTERM") == "ignored":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    print("listening", flush=True)
    address = (os.environ["WEBUI_ASYNC_HOST"], int(os.environ["WEBUI_ASYNC_PORT"]))
    ThreadingHTTPServer(address, Handler).serve_forever()


if __name__ == "__main__":
    main()
