"""A stand-in for the stock webui: just enough of /sdapi/v1 over real HTTP, and nothing to install.

Standard library only, so that any user's python3 runs it. `fixed_delay.py` is the plain one; the others each
do one thing wrong. It takes the webui's launch flags and leaves those it does not know alone.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import struct
import threading
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TICK_S = 0.01
WEIGHTS = (".safetensors", ".ckpt")
SAMPLERS = ("DPM++ 2M", "DPM++ SDE", "Euler a", "Euler", "Heun", "DDIM", "UniPC", "LCM")
SCHEDULERS = {
    "automatic": "Automatic",
    "uniform": "Uniform",
    "karras": "Karras",
    "exponential": "Exponential",
}
UPSCALERS = ("None", "Lanczos", "Nearest")
SCRIPTS = ["sampler", "seed", "hypertile", "soft inpainting"]


@dataclass
class Answer:
    """One HTTP answer. `body` goes out as it is when it is bytes, else as JSON."""

    status: int = 200
    body: Any = None
    content_type: str = "application/json"
    missing_bytes: int = 0  #: promised by Content-Length and never sent

    def encoded(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Drawing:
    """How far the drawing is, as /progress tells it."""

    job: str = ""
    steps: int = 0
    n_iter: int = 0
    fraction: float = 0.0
    began: float = 0.0
    interrupted: bool = False

    def report(self) -> dict[str, Any]:
        fraction = min(0.01 + self.fraction, 1.0) if self.job else 0.0
        elapsed_s = time.monotonic() - self.began
        state = {
            "skipped": False,
            "interrupted": self.interrupted,
            "stopping_generation": False,
            "job": self.job,
            "job_count": self.n_iter if self.job else 0,
            "job_timestamp": "20261120160252",
            "job_no": 0,
            "sampling_step": int(self.fraction * self.steps) if self.job else 0,
            "sampling_steps": self.steps,
        }
        return {
            "progress": fraction,
            "eta_relative": elapsed_s / fraction - elapsed_s if fraction else 0.0,
            "state": state,
            "current_image": None,
            "textinfo": None,
        }


class Engine:
    """Draws one picture at a time in a fixed delay. Faulty engines override one method each."""

    def __init__(self, words: argparse.Namespace):
        self.words = words
        self.delay_s: float = words.delay
        self.drawing = Drawing()
        self.lock = threading.Lock()
        self.log_file: Path = words.log or words.data_dir / "engine.log"
        self.options: dict[str, Any] = {
            "samples_format": "png",
            "CLIP_stop_at_last_layers": 1.0,
            "sd_vae": "Automatic",
        }
        self.options["sd_model_checkpoint"] = self.models()[0]["title"]

    # What a faulty engine does otherwise

    def before_listening(self) -> None:
        """Called once, before the port opens."""

    def draw(self, route: str, body: dict[str, Any]) -> Answer:
        """The answer to one drawing, called with the lock held."""
        self.spend(self.delay_s * (int(body.get("steps", 50)) if self.words.per_step else 1))
        if route.startswith("extra-"):
            return Answer(body=draw_extras(route, body))
        return Answer(body=draw_pictures(body, self.model_name(body), self.drawing.interrupted))

    def interrupt(self) -> None:
        self.drawing.interrupted = True

    # What all of them share

    def is_faulty_now(self, body: dict[str, Any]) -> bool:
        """Whether this drawing is one of the first `--times`; the warm-up, which has no prompt, never is.

        The count lies in a file, so it outlives a restart.
        """
        if not body.get("prompt"):
            return False
        count_file = self.words.data_dir / "faults"
        count = int(count_file.read_text()) if count_file.exists() else 0
        count_file.write_text(str(count + 1))
        times: int = self.words.times
        return times == 0 or count < times

    def spend(self, seconds: float) -> None:
        """Wait as if drawing; progress moves, an interrupt ends it."""
        ends = self.drawing.began + seconds
        while (left := ends - time.monotonic()) > 0 and not self.drawing.interrupted:
            self.drawing.fraction = 1 - left / seconds
            time.sleep(min(TICK_S, left))

    def handle_drawing(self, route: str, body: dict[str, Any]) -> Answer:
        with self.lock:
            steps, n_iter = int(body.get("steps", 50)), int(body.get("n_iter", 1))
            self.drawing = Drawing(f"scripts_{route}", steps, n_iter, began=time.monotonic())
            self.log("start", body)
            answer = self.draw(route, body)
            self.drawing.job = ""
            self.log("end", body)
            return answer

    def log(self, event: str, body: dict[str, Any]) -> None:
        """One line per start and end of a drawing: the tests' own record of what was drawn."""
        entry = {
            "event": event, "at": time.time(), "pid": os.getpid(), "prompt": body.get("prompt", ""),
            "seed": body.get("seed"), "interrupted": self.drawing.interrupted,
        }  # fmt: skip
        with self.log_file.open("a") as log:
            log.write(json.dumps(entry) + "\n")

    def models(self) -> list[dict[str, Any]]:
        found = self.weights(self.words.ckpt_dir) or [Path("fixed.safetensors")]
        unread = {"hash": None, "sha256": None, "config": None}
        return [
            {"title": path.name, "model_name": path.stem, "filename": str(path)} | unread for path in found
        ]

    def loras(self) -> list[dict[str, Any]]:
        return [
            {"name": path.stem, "alias": path.stem, "path": str(path), "metadata": {}}
            for path in self.weights(self.words.lora_dir)
        ]

    def weights(self, folder: Path | None) -> list[Path]:
        return sorted(path for path in folder.rglob("*") if path.suffix in WEIGHTS) if folder else []

    def model_name(self, body: dict[str, Any]) -> str:
        """The checkpoint that a body asks for; the default one when it is unknown, as the webui does."""
        asked = (body.get("override_settings") or {}).get("sd_model_checkpoint")
        for model in self.models():
            if asked in (model["title"], model["model_name"]):
                return str(model["model_name"])
        return str(self.models()[0]["model_name"])

    def get(self, route: str) -> Answer:
        lists: dict[str, Any] = {
            "progress": self.drawing.report,
            "sd-models": self.models,
            "loras": self.loras,
            "options": lambda: self.options,
            "samplers": lambda: [{"name": name, "aliases": [], "options": {}} for name in SAMPLERS],
            "schedulers": lambda: [{"name": name, "label": label} for name, label in SCHEDULERS.items()],
            "upscalers": lambda: [{"name": name, "model_path": None, "scale": 4} for name in UPSCALERS],
            "latent-upscale-modes": lambda: [{"name": "Latent"}],
            "scripts": lambda: {"txt2img": SCRIPTS, "img2img": SCRIPTS},
            "sd-vae": list,
            "embeddings": lambda: {"loaded": {}, "skipped": {}},
            "memory": lambda: {"ram": {}, "cuda": {"error": "unavailable"}},
        }
        if route not in lists:
            return Answer(404, {"detail": "Not Found"})
        return Answer(body=lists[route]())

    def post(self, route: str, body: dict[str, Any]) -> Answer:
        if route in ("txt2img", "img2img", "extra-single-image", "extra-batch-images"):
            return self.handle_drawing(route, body)
        if route == "interrupt":
            self.interrupt()
        elif route == "options":
            self.options.update(body)
            return Answer(body=None)
        elif route not in ("reload-checkpoint", "unload-checkpoint", "refresh-checkpoints", "refresh-loras"):
            return Answer(404, {"detail": "Not Found"})
        return Answer(body={})


def draw_pictures(body: dict[str, Any], model_name: str, was_interrupted: bool) -> dict[str, Any]:
    """The webui's answer of txt2img and img2img: one-coloured pictures, generation parameters inside."""
    seed = int(body.get("seed", -1))
    seed = random.randrange(2**32) if seed == -1 else seed
    count = int(body.get("batch_size", 1)) * int(body.get("n_iter", 1))
    width, height = int(body.get("width", 512)), int(body.get("height", 512))
    texts = [f"{body.get('prompt', '')}\nSeed: {seed + i}, Size: {width}x{height}" for i in range(count)]
    drawn = range(1 if was_interrupted else count)
    info = {
        "prompt": body.get("prompt", ""), "negative_prompt": body.get("negative_prompt", ""), "seed": seed,
        "all_seeds": [seed + i for i in range(count)], "width": width, "height": height,
        "steps": body.get("steps", 50), "sampler_name": body.get("sampler_name") or "Euler",
        "sd_model_name": model_name, "index_of_first_image": 0, "infotexts": texts,
    }  # fmt: skip
    images = [make_png(width, height, seed + i, texts[i]) for i in drawn]
    return {"images": images, "parameters": body, "info": json.dumps(info)}


def draw_extras(route: str, body: dict[str, Any]) -> dict[str, Any]:
    """The webui's answer of the two extras routes: the pictures as they came."""
    if route == "extra-single-image":
        return {"html_info": "<p></p>", "image": body["image"]}
    return {"html_info": "<p></p>", "images": [entry["data"] for entry in body["imageList"]]}


def make_png(width: int, height: int, seed: int, text: str) -> str:
    """A one-coloured picture as base64."""
    row = b"\0" + random.Random(seed).randbytes(3) * width

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parameters = b"parameters\0\0\0\0\0" + text.encode()
    chunks = (
        chunk(b"IHDR", header) + chunk(b"iTXt", parameters) + chunk(b"IDAT", zlib.compress(row * height, 1))
    )
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IEND", b"")).decode()


class Handler(BaseHTTPRequestHandler):
    """HTTP in front of the one engine of this process."""

    engine: Engine
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._answer(self.engine.get(self._route()))

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(self.engine.post(self._route(), json.loads(text or b"{}") or {}))

    def _route(self) -> str:
        return self.path.partition("?")[0].removeprefix("/sdapi/v1/")

    def _answer(self, answer: Answer) -> None:
        data = answer.encoded()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(data) + answer.missing_bytes))
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = self.close_connection or answer.missing_bytes > 0

    def log_message(self, format: str, *args: object) -> None:
        pass


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0.2, help="seconds that one drawing takes")
    parser.add_argument("--per-step", action="store_true", help="--delay is what one step takes")
    parser.add_argument(
        "--log", type=Path, help="where starts and ends of drawings go; else in the data folder"
    )
    parser.add_argument("--times", type=int, default=1, help="how many drawings go wrong; 0 means every one")
    parser.add_argument("--start-delay", type=float, default=1.0, help="seconds until slow_start.py listens")
    parser.add_argument("--data-dir", type=Path, default=Path("."))
    parser.add_argument("--ckpt-dir", type=Path)
    parser.add_argument("--lora-dir", type=Path)
    return parser.parse_known_args(argv)[0]


def main(engine_class: type[Engine]) -> None:
    """Run one engine until it is killed."""
    words = parse()
    engine = engine_class(words)
    engine.before_listening()
    Handler.engine = engine
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer(("127.0.0.1", words.port), Handler).serve_forever(poll_interval=0.05)
