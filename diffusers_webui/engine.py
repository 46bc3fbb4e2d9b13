"""The process as HTTP sees it: what can be answered at once, and what stands in line for the drawing thread.

torch and diffusers are imported on that thread, after the port is open.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from diffusers_webui import extras, infotext, memory, pictures
from diffusers_webui.arguments import Settings
from diffusers_webui.errors import UnknownCheckpoint
from diffusers_webui.folders import open_folders
from diffusers_webui.options import Options
from diffusers_webui.queue import DrawQueue
from diffusers_webui.state import State

if TYPE_CHECKING:
    from diffusers_webui.studio import Studio

log = logging.getLogger(__name__)
T = TypeVar("T")


class Engine:
    """Everything behind the routes."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.options = Options(settings.settings_file)
        self.folders = open_folders(settings)
        self.state = State()
        self._queue = DrawQueue()
        self._studio: Studio | None = None

    def start(self) -> None:
        """Begin to load the checkpoint; whoever stands in line afterwards waits for it."""
        self._queue.put(self._first_load)

    async def draw(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer of POST /txt2img or /img2img, when its turn has come."""
        return await self._in_line(lambda studio: studio.draw(kind, body))

    async def upscale(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer of POST /extra-single-image or /extra-batch-images."""
        work = extras.upscale_batch if "imageList" in body else extras.upscale_one
        return await self._queue.run(lambda: work(body, self.options))

    async def reload_checkpoint(self) -> dict[str, Any]:
        """{} once the checkpoint is loaded: the stock webui's readiness probe. Raises why it cannot be."""
        await self._in_line(lambda studio: studio.load())
        return {}

    async def unload_checkpoint(self) -> dict[str, Any]:
        """{} once the memory of the model is given back."""
        await self._in_line(lambda studio: studio.unload())
        return {}

    async def set_options(self, values: dict[str, Any]) -> None:
        """Change options for good; a checkpoint or VAE is loaded before this comes back."""
        name = values.get("sd_model_checkpoint")
        if name is not None and self.folders.checkpoints.named(name) is None:
            raise UnknownCheckpoint(name)
        if values.keys() & {"sd_model_checkpoint", "sd_vae"}:
            await self._in_line(lambda studio: studio.set_options(values))
        for key, value in values.items():
            if key not in ("sd_model_checkpoint", "sd_vae"):
                self.options.set(key, value)
        self.options.save()

    async def refresh_embeddings(self) -> None:
        """Look for textual inversion files again, when no drawing uses them."""
        await self._in_line(lambda studio: studio.refresh_embeddings())

    def interrupt(self) -> dict[str, Any]:
        """End the running drawing within a step; what stands in line is drawn as if nothing had been."""
        self.state.interrupted = True
        return {}

    def skip(self) -> None:
        """End the running batch; the request's next one follows."""
        self.state.skipped = True

    def progress(self, with_picture: bool) -> dict[str, Any]:
        """The body of GET /progress."""
        fraction, eta_s = self.state.progress(time.time())
        preview = self.state.preview if with_picture else None
        kind = str(self.options["live_previews_image_format"])
        return {
            "progress": fraction,
            "eta_relative": eta_s,
            "state": self.state.report(),
            "current_image": pictures.encode_preview(preview.picture(), kind) if preview else None,
            "textinfo": None,
        }

    async def png_info(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer of POST /png-info, read on a thread of its own: a large picture takes a while."""
        return await asyncio.to_thread(self._png_info, body["image"].strip())

    def _png_info(self, image: str) -> dict[str, Any]:
        text, items = pictures.read_infotext(pictures.decode(image))
        return {"info": text, "items": items, "parameters": infotext.read(text) if text else {}}

    def memory(self) -> dict[str, Any]:
        """The body of GET /memory."""
        return memory.report(self._studio.cuda_memory() if self._studio else {"error": "unavailable"})

    async def _in_line(self, work: "Callable[[Studio], T]") -> T:
        return await self._queue.run(lambda: work(self._opened()))

    def _opened(self) -> "Studio":
        if self._studio is None:
            from diffusers_webui.studio import Studio  # seconds of imports, on the drawing thread

            self._studio = Studio(self.options, self.folders, self.state, self.settings)
        return self._studio

    def _first_load(self) -> None:
        try:
            self._opened().load()
        except Exception:  # the edge of the loading thread: requests say the same to whoever asks
            log.exception("Stable diffusion model failed to load")
