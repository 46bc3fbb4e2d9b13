"""A stand-in for the stock webui: just enough of /sdapi/v1 over real HTTP, and nothing to install.

Standard library only, so that any user's python3 runs it. `fixed_delay.py` is the plain one; the others each
do one thing wrong. It takes the webui's launch flags and leaves those it does not know alone.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from replies import SAMPLERS, SCHEDULERS, draw_extras, draw_pictures
from wire import Answer, Failed, listen
from words import parse

TICK_S = 0.01
WEIGHTS = (".safetensors", ".ckpt", ".pt", ".pth")
UPSCALERS = ("None", "Lanczos", "Nearest")
SCRIPTS = ["sampler", "seed", "hypertile", "soft inpainting", "controlnet"]
#: What it draws with where it has no models at all.
NO_FILE = Path("fixed.safetensors")
CONTROLNETS = "/controlnet/model_list"
#: The route that has the webui read a folder again -> the folder. Until then it knows no new file.
REFRESHED = {"refresh-checkpoints": "Stable-diffusion", "refresh-loras": "Lora", "refresh-vae": "VAE"}


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
        self.reply: bytes | None = words.reply.read_bytes() if words.reply else None
        self.in_hand = self.most_in_hand = 0
        self.files = {folder: self.weights(folder) for folder in REFRESHED.values()}
        self.loaded = str(self.models()[0]["model_name"])
        self.options: dict[str, Any] = {
            "samples_format": "png",
            "CLIP_stop_at_last_layers": 1.0,
            "sd_vae": "Automatic",
            "sd_model_checkpoint": self.models()[0]["title"],
        }

    # What a faulty engine does otherwise

    def before_listening(self) -> None:
        """Called once, before the port opens."""

    def load(self, name: str) -> None:
        """Have another checkpoint loaded than now, with the lock held. Raises Failed."""
        time.sleep(self.words.switch_delay)
        self.loaded = name

    def draw(self, route: str, body: dict[str, Any]) -> Answer:
        """The answer to one drawing, with the lock held. Raises Failed."""
        self.drawing.began = time.monotonic()
        self.spend(self.delay_s * (int(body.get("steps", 50)) if self.words.per_step else 1))
        if route.startswith("extra-"):
            return Answer(body=draw_extras(route, body))
        if self.reply is not None:
            return Answer(body=self.reply)
        return Answer(body=draw_pictures(body, self.state(body), self.drawing.interrupted))

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
            self.most_in_hand = self.in_hand
            self.log("start", body)
            try:
                if not route.startswith("extra-"):
                    self.switch(body)
                answer = self.draw(route, body)
            except Failed as failure:
                answer = failure.answer
            self.drawing.job = ""
            self.log("end", body)
            return answer

    def switch(self, body: dict[str, Any]) -> None:
        """The checkpoint that the body asks for is the loaded one. Raises Failed."""
        name = self.wanted(body)
        if name != self.loaded:
            self.load(name)
            self.log("switch", body)

    def log(self, event: str, body: dict[str, Any]) -> None:
        """One line per start and end of a drawing, and switch of the checkpoint: the tests' own record.

        in_hand: the most requests of any kind at once, since this drawing began.
        """
        entry = {
            "event": event, "at": time.time(), "pid": os.getpid(), "prompt": body.get("prompt", ""),
            "seed": body.get("seed"), "interrupted": self.drawing.interrupted,
            "checkpoint": self.loaded, "in_hand": self.most_in_hand,
        }  # fmt: skip
        with self.log_file.open("a") as log:
            log.write(json.dumps(entry) + "\n")

    def weights(self, folder: str) -> list[Path]:
        """The files that are in a model folder now."""
        given = {"Stable-diffusion": self.words.ckpt_dir, "Lora": self.words.lora_dir}.get(folder)
        place: Path = given or self.words.data_dir / "models" / folder
        return sorted(path for path in place.rglob("*") if path.suffix in WEIGHTS)

    def models(self) -> list[dict[str, Any]]:
        unread = {"hash": None, "sha256": None, "config": None}
        return [
            {"title": path.name, "model_name": path.stem, "filename": str(path)} | unread
            for path in self.files["Stable-diffusion"] or [NO_FILE]
        ]

    def loras(self) -> list[dict[str, Any]]:
        return [
            {"name": path.stem, "alias": path.stem, "path": str(path), "metadata": {}}
            for path in self.files["Lora"]
        ]

    def wanted(self, body: dict[str, Any]) -> str:
        """The checkpoint to draw with: the default one when the body's is unknown, as the webui does."""
        names = {
            model[key]: model["model_name"] for model in self.models() for key in ("title", "model_name")
        }
        asked = (body.get("override_settings") or {}).get("sd_model_checkpoint")
        default = self.options["sd_model_checkpoint"]
        return str(names.get(asked) or names.get(default) or self.models()[0]["model_name"])

    def state(self, body: dict[str, Any]) -> dict[str, Any]:
        """What an info says of the weights and settings that drew."""
        settings = self.options | (body.get("override_settings") or {})
        vaes = [path.name for path in self.files["VAE"]]
        return {
            "sd_model_name": self.loaded,
            "sd_model_hash": None,
            "sd_vae_name": settings["sd_vae"] if settings["sd_vae"] in vaes else None,
            "clip_skip": settings["CLIP_stop_at_last_layers"],
        }

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
            "sd-vae": lambda: [{"model_name": path.name} for path in self.files["VAE"]],
            "embeddings": lambda: {"loaded": {}, "skipped": {}},
            "memory": lambda: {"ram": {}, "cuda": {"error": "unavailable"}},
            CONTROLNETS: lambda: {"model_list": [path.stem for path in self.weights("ControlNet")]},
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
        elif route in REFRESHED:
            self.files[REFRESHED[route]] = self.weights(REFRESHED[route])
            return Answer(body=None)
        elif route not in ("reload-checkpoint", "unload-checkpoint"):
            return Answer(404, {"detail": "Not Found"})
        return Answer(body={})


def main(engine_class: type[Engine]) -> None:
    """Run one engine until it is killed."""
    words = parse()
    engine = engine_class(words)
    engine.before_listening()
    listen(engine, words.port)
