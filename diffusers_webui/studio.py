"""The drawing thread's side: the loaded model, and requests drawn with it. Only that thread calls in here."""

import logging
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from diffusers_webui import answer, memory, pictures
from diffusers_webui.arguments import Settings
from diffusers_webui.checkpoints import Checkpoint
from diffusers_webui.drawing import Drawing, Turn
from diffusers_webui.errors import MissingHelper, WebuiError
from diffusers_webui.folders import Folders
from diffusers_webui.job import Job, settle
from diffusers_webui.loras import Wish
from diffusers_webui.model import load_model, load_vae
from diffusers_webui.options import Options
from diffusers_webui.painter import Painter
from diffusers_webui.precision import Precision, choose_precision
from diffusers_webui.state import State
from diffusers_webui.tuning import Tuning

log = logging.getLogger(__name__)


@dataclass
class Drawn:
    """The pictures of one request, with what was noted while its overrides held."""

    pictures: list[Image.Image]
    infotexts: list[str]
    used: answer.Used


class Studio:
    """One model at a time, and what is drawn with it."""

    def __init__(self, options: Options, folders: Folders, state: State, settings: Settings):
        self._options, self._folders, self._state = options, folders, state
        self._first_choice, self._clip_dir = settings.ckpt, settings.clip_dir
        self._painter: Painter | None = None
        self._own_vae: Any = None
        self._vae_file: Path | None = None
        # a core each: on 2 quiet cores that is quickest. Beside other busy processes threads wait for each
        # other: one UNet step of the demo model, 512x512, took 0.65 s with 2 threads and 0.45 s with 1
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self._precision = choose_precision(settings)

    def load(self) -> Painter:
        """Have the checkpoint of the options in memory. The loaded one stays when another cannot be read."""
        wanted = self._folders.checkpoints.default(self._options["sd_model_checkpoint"] or self._first_choice)
        if self._painter is None or self._painter.model.checkpoint.path != wanted.path:
            self._painter = self._loaded(wanted, self._precision)
            self._options.set("sd_checkpoint_hash", wanted.sha256 or "")
            self._own_vae, self._vae_file = self._painter.model.vae, None
            self.refresh_embeddings()
        if self._options["sd_model_checkpoint"] is None:
            self._options.set("sd_model_checkpoint", wanted.title)
        self._fit_vae(self._painter)
        return self._painter

    def unload(self) -> None:
        """Give the model's memory back; the next drawing loads it again."""
        self._painter = self._own_vae = None

    def refresh_embeddings(self) -> None:
        """Look for textual inversion files again. Without a checkpoint none can be told to fit."""
        if self._painter is not None:
            self._folders.embeddings.suit(self._painter.text_widths)

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
            job = settle(kind, body, self._folders.styles)
            drawn = self._drawn(job, dict(body["override_settings"] or {}))
        finally:
            self._state.end()
        # after the overrides are undone: samples_format is no override that works, in the stock webui either
        return self._answer(job, drawn)

    def cuda_memory(self) -> dict[str, Any]:
        """The `cuda` part of GET /memory."""
        if self._precision.device.type != "cuda":
            return {"error": "unavailable"}
        return memory.cuda_report(torch.cuda.memory_stats(), *torch.cuda.mem_get_info())

    def _drawn(self, job: Job, overrides: dict[str, Any]) -> Drawn:
        if self._folders.checkpoints.named(overrides.get("sd_model_checkpoint")) is None:
            overrides.pop("sd_model_checkpoint", None)
        with self._options.overridden(overrides, bool(job.body["override_settings_restore_afterwards"])):
            painter = self.load()
            wishes = painter.carry(self._folders.loras.wishes(job.tags.get("lora", [])))
            hashes = self._folders.loras.hashes_text(wishes)
            if hashes and self._options["lora_add_hashes_to_infotext"]:
                job.extra_generation_params["Lora hashes"] = hashes
            first, second = self._turns(job, painter, wishes)
            self._teach(first, second)
            drawing = Drawing(job, first, second, self._options, self._state)
            found = [picture for batch in drawing.pictures() for picture in batch]
            self._note_embeddings(job, first, second)
            used = self._used(painter.model.checkpoint, drawing.tuning)
            infotexts = [answer.infotext_of(job, i, used, self._options) for i in range(len(found))]
        return Drawn(found, infotexts, used)

    def _turns(self, job: Job, painter: Painter, wishes: list[Wish]) -> tuple[Turn, Turn]:
        """Who draws the two passes. Helpers are loaded for this one request.

        Raises MissingHelper when the request names one that is not there.
        """
        refiner = self._helper(job.refiner, painter)
        if refiner is painter:
            refiner = None  # it cannot relieve itself
        if refiner is not None:
            job.extra_generation_params["Refiner"] = refiner.model.checkpoint.short_title
            job.extra_generation_params["Refiner switch at"] = job.refiner_switch_at
        in_passes = self._options["hires_fix_refiner_pass"] if job.hires else "both passes"
        first = Turn(painter, wishes, refiner if in_passes in ("first pass", "both passes") else None)
        if job.hires is None:
            return first, first
        helper = self._helper(job.hires.checkpoint, painter)
        if helper is not None:
            job.extra_generation_params["Hires checkpoint"] = helper.model.checkpoint.short_title
        second_wishes = self._folders.loras.wishes(job.hires.tags.get("lora", []))
        in_second = refiner if in_passes in ("second pass", "both passes") else None
        return first, Turn(helper or painter, second_wishes, in_second)

    def _helper(self, name: str | None, painter: Painter) -> Painter | None:
        if name is None:
            return None
        checkpoint = self._folders.checkpoints.closest(name)
        if checkpoint is None:
            raise MissingHelper(name)
        if checkpoint.path == painter.model.checkpoint.path:
            return painter
        return self._loaded(checkpoint, replace(self._precision, is_compiled=False))  # not for one request

    def _teach(self, *turns: Turn) -> None:
        for painter in {one for turn in turns for one in turn.painters}:
            painter.learn(self._folders.embeddings.fitting(painter.text_widths))

    def _note_embeddings(self, job: Job, *turns: Turn) -> None:
        used = {one.name: one.short_hash for turn in turns for one in turn.painter.used_embeddings}
        if used and self._options["textual_inversion_add_hashes_to_infotext"]:
            job.extra_generation_params["TI hashes"] = ", ".join(f"{name}: {used[name]}" for name in used)

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

    def _loaded(self, checkpoint: Checkpoint, precision: Precision) -> Painter:
        begun = time.monotonic()
        log.info("Loading weights [%s] from %s", checkpoint.short_hash, checkpoint.path)
        model = load_model(checkpoint, precision, self._clip_dir)
        self._folders.checkpoints.hash(checkpoint)
        log.info("Model loaded in %.1fs", time.monotonic() - begun)
        painter = Painter(model, self._options)
        if precision.is_compiled:
            painter.warm_up()
            log.info("Compiled after %.1fs", time.monotonic() - begun)
        return painter

    def _fit_vae(self, painter: Painter) -> None:
        """Draw with the VAE file of option sd_vae, or with the checkpoint's own."""
        model = painter.model
        file = self._folders.vaes.chosen(self._options["sd_vae"], model.checkpoint)
        if file == self._vae_file:
            return
        if file is None:
            model.vae, self._vae_file = self._own_vae, None
            return
        model.vae, self._vae_file = load_vae(file, model), file

    def _used(self, checkpoint: Checkpoint, tuning: Tuning) -> answer.Used:
        file = self._vae_file
        return answer.Used(
            checkpoint,
            file.name if file else None,
            self._folders.hashes.sha256(file)[:10] if file else None,
            int(self._options["CLIP_stop_at_last_layers"]),
            self._state.job_timestamp,
            tuning,
        )
