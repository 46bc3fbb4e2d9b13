"""The drawing thread's side: the loaded model, and requests drawn with it. Only that thread calls in here."""

import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from diffusers_webui import answer, pictures
from diffusers_webui.architecture import read_architecture
from diffusers_webui.checkpoints import Checkpoint
from diffusers_webui.errors import WebuiError
from diffusers_webui.folders import Folders
from diffusers_webui.job import Job, settle
from diffusers_webui.model import build_vae, load_model, make_ready, read_weights
from diffusers_webui.options import Options
from diffusers_webui.painter import Painter
from diffusers_webui.state import State

log = logging.getLogger(__name__)


@dataclass
class Drawn:
    """The pictures of one request, with what was noted while its overrides held."""

    pictures: list[Image.Image]
    infotexts: list[str]
    used: answer.Used


class Studio:
    """One model at a time, and what is drawn with it."""

    def __init__(self, options: Options, folders: Folders, state: State, first_choice: str | None):
        self._options, self._folders, self._state = options, folders, state
        self._first_choice = first_choice
        self._painter: Painter | None = None
        self._own_vae: Any = None
        self._vae_file: Path | None = None
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._dtype = torch.float16 if self._device.type == "cuda" else torch.float32

    def load(self) -> Painter:
        """Have the checkpoint of the options in memory. The loaded one stays when another cannot be read."""
        wanted = self._folders.checkpoints.default(self._options["sd_model_checkpoint"] or self._first_choice)
        if self._painter is None or self._painter.model.checkpoint.path != wanted.path:
            self._painter = self._loaded(wanted)
            self._own_vae, self._vae_file = self._painter.model.vae, None
        if self._options["sd_model_checkpoint"] is None:
            self._options.set("sd_model_checkpoint", wanted.title)
        self._fit_vae(self._painter)
        return self._painter

    def unload(self) -> None:
        """Give the model's memory back; the next drawing loads it again."""
        self._painter = self._own_vae = None

    def set_options(self, values: dict[str, Any]) -> None:
        """Change options and load what they name.

        A checkpoint or VAE that cannot be loaded is logged and the old value comes back, with a good answer:
        the stock webui does the same.
        """
        before = {key: self._options[key] for key in ("sd_model_checkpoint", "sd_vae")}
        for key, value in values.items():
            self._options.set(key, value)
        try:
            self.load()
        except WebuiError as error:
            log.error(
                "changing setting to %s: %s", {key: values[key] for key in before if key in values}, error
            )
            for key, value in before.items():
                self._options.set(key, value)

    def draw(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer of POST /txt2img or /img2img."""
        self._state.begin(f"scripts_{kind}")
        try:
            job = settle(kind, body)
            drawn = self._drawn(job, dict(body["override_settings"] or {}))
        finally:
            self._state.end()
        # after the overrides are undone: samples_format is no override that works, in the stock webui either
        return self._answer(job, drawn)

    def cuda_memory(self) -> dict[str, Any]:
        """The `cuda` part of GET /memory."""
        if self._device.type != "cuda":
            return {"error": "unavailable"}
        free, total = torch.cuda.mem_get_info()
        return {
            "system": {"free": free, "used": total - free, "total": total},
            "allocated": {
                "current": torch.cuda.memory_allocated(),
                "peak": torch.cuda.max_memory_allocated(),
            },
        }

    def _drawn(self, job: Job, overrides: dict[str, Any]) -> Drawn:
        if self._folders.checkpoints.named(overrides.get("sd_model_checkpoint")) is None:
            overrides.pop("sd_model_checkpoint", None)
        with self._options.overridden(overrides, bool(job.body["override_settings_restore_afterwards"])):
            painter = self.load()
            wishes = painter.carry(self._folders.loras.wishes(job.tags.get("lora", [])))
            hashes = self._folders.loras.hashes_text(wishes)
            if hashes and self._options["lora_add_hashes_to_infotext"]:
                job.extra_generation_params["Lora hashes"] = hashes
            found = [picture for batch in painter.draw(job) for picture in batch]
            used = self._used(painter.model.checkpoint)
            infotexts = [answer.infotext_of(job, i, used, self._options) for i in range(len(found))]
        return Drawn(found, infotexts, used)

    def _answer(self, job: Job, drawn: Drawn) -> dict[str, Any]:
        found, infotexts, first = drawn.pictures, drawn.infotexts, 0
        if job.body["save_images"]:
            self._save(job, drawn)
            if len(found) > 1 and self._options["return_grid"] and not job.body["do_not_save_grid"]:
                found, infotexts, first = [pictures.grid(found), *found], [infotexts[0], *infotexts], 1
        encoded = (
            [
                pictures.encode(picture, self._options, text)
                for picture, text in zip(found, infotexts, strict=True)
            ]
            if job.body["send_images"]
            else []
        )
        return {
            "images": encoded,
            "parameters": answer.parameters_of(job.body),
            "info": answer.info_of(job, drawn.used, infotexts, first),
        }

    def _save(self, job: Job, drawn: Drawn) -> None:
        """Keep the pictures in the data folder. No option says where: over HTTP nobody picks a folder."""
        folder = self._folders.outputs / f"{job.kind}-images" / time.strftime("%Y-%m-%d")
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.iterdir()))
        for i, (picture, text) in enumerate(zip(drawn.pictures, drawn.infotexts, strict=True)):
            name = f"{number + i:05}-{job.seeds[i]}.{self._options['samples_format']}"
            (folder / name).write_bytes(pictures.encoded_bytes(picture, self._options, text))

    def _loaded(self, checkpoint: Checkpoint) -> Painter:
        begun = time.monotonic()
        log.info("Loading weights [%s] from %s", checkpoint.short_hash, checkpoint.path)
        model = load_model(checkpoint, self._device, self._dtype)
        self._folders.checkpoints.hash(checkpoint)
        self._options.set("sd_checkpoint_hash", checkpoint.sha256 or "")
        log.info("Model loaded in %.1fs", time.monotonic() - begun)
        return Painter(model, self._options, self._state)

    def _fit_vae(self, painter: Painter) -> None:
        """Draw with the VAE file of option sd_vae, or with the checkpoint's own."""
        model = painter.model
        file = self._folders.vaes.chosen(self._options["sd_vae"], model.checkpoint)
        if file == self._vae_file:
            return
        if file is None:
            model.vae, self._vae_file = self._own_vae, None
            return
        vae: Any = build_vae(read_architecture(model.checkpoint.config), read_weights(file))
        make_ready(vae, self._device, self._dtype)
        model.vae, self._vae_file = vae, file

    def _used(self, checkpoint: Checkpoint) -> answer.Used:
        file = self._vae_file
        return answer.Used(
            checkpoint,
            file.name if file else None,
            self._folders.hashes.sha256(file)[:10] if file else None,
            int(self._options["CLIP_stop_at_last_layers"]),
            self._state.job_timestamp,
        )
