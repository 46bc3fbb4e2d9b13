"""The routes that this server has: what answers each, and what /openapi.json says about it.

What it does not do (interrogate, training, extensions' own routes) is missing here, and so a 404.
"""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from diffusers_webui import fields, listings, schemas
from diffusers_webui.engine import Engine
from diffusers_webui.fields import Fields

Answer = Callable[[Request], Awaitable[Any]]

_PROGRESS: Fields = {"skip_current_image": fields.flag(False)}


@dataclass(frozen=True)
class Entry:
    """One route."""

    method: str
    path: str
    name: str  #: what the stock webui calls the operation
    answer: Answer  #: gives what becomes the JSON body, or a whole Response
    gives: str = ""  #: schema of the answer; `X[]` is a list, "" is anything
    body: str | None = None  #: schema of the request body; "" is any object
    query: Fields = field(default_factory=dict)  #: fields of the query string
    is_guarded: bool = True  #: whether --api-auth closes it


def table(engine: Engine) -> list[Entry]:
    """Every route of this engine."""
    stopping = _stopping() if engine.settings.api_server_stop else []
    return [*_drawing(engine), *_settings(engine), *_lists(engine), *_memory(engine), *stopping]


def _drawing(engine: Engine) -> list[Entry]:
    return [
        _posted(
            "txt2img",
            "text2imgapi",
            lambda body: engine.draw("txt2img", body),
            "StableDiffusionProcessingTxt2Img",
            "TextToImageResponse",
        ),
        _posted(
            "img2img",
            "img2imgapi",
            lambda body: engine.draw("img2img", body),
            "StableDiffusionProcessingImg2Img",
            "ImageToImageResponse",
        ),
        _posted(
            "extra-single-image",
            "extras_single_image_api",
            engine.upscale,
            "ExtrasSingleImageRequest",
            "ExtrasSingleImageResponse",
        ),
        _posted(
            "extra-batch-images",
            "extras_batch_images_api",
            engine.upscale,
            "ExtrasBatchImagesRequest",
            "ExtrasBatchImagesResponse",
        ),
        _posted("png-info", "pnginfoapi", engine.png_info, "PNGInfoRequest", "PNGInfoResponse"),
        Entry(
            "GET", "/sdapi/v1/progress", "progressapi", _progress(engine), "ProgressResponse", query=_PROGRESS
        ),
        _order("interrupt", "interruptapi", engine.interrupt),
        _order("skip", "skip", engine.skip),
    ]


def _settings(engine: Engine) -> list[Entry]:
    return [
        _list("options", "get_config", engine.options.listing, "Options"),
        Entry("POST", "/sdapi/v1/options", "set_config", _set_options(engine), body=""),
        _list("cmd-flags", "get_cmd_flags", lambda: engine.settings.flags, "Flags"),
    ]


def _lists(engine: Engine) -> list[Entry]:
    folders = engine.folders
    return [
        _list("samplers", "get_samplers", lambda: listings.SAMPLERS, "SamplerItem[]"),
        _list("schedulers", "get_schedulers", lambda: listings.SCHEDULERS, "SchedulerItem[]"),
        _list("upscalers", "get_upscalers", lambda: listings.UPSCALERS, "UpscalerItem[]"),
        _list(
            "latent-upscale-modes",
            "get_latent_upscale_modes",
            lambda: listings.LATENT_UPSCALE_MODES,
            "LatentUpscalerModeItem[]",
        ),
        _list("sd-models", "get_sd_models", folders.checkpoints.listing, "SDModelItem[]"),
        _list("sd-vae", "get_sd_vaes", folders.vaes.listing, "SDVaeItem[]"),
        _list("hypernetworks", "get_hypernetworks", lambda: [], "HypernetworkItem[]"),
        _list("face-restorers", "get_face_restorers", lambda: [], "FaceRestorerItem[]"),
        _list("realesrgan-models", "get_realesrgan_models", lambda: [], "RealesrganItem[]"),
        _list("prompt-styles", "get_prompt_styles", folders.styles.listing, "PromptStyleItem[]"),
        _list("embeddings", "get_embeddings", folders.embeddings.listing, "EmbeddingsResponse"),
        _list("scripts", "get_scripts_list", lambda: listings.SCRIPTS, "ScriptsList"),
        _list("script-info", "get_script_info", lambda: listings.SCRIPT_INFO, "ScriptInfo[]"),
        _list("extensions", "get_extensions_list", lambda: [], "ExtensionItem[]"),
        _list("loras", "get_loras", folders.loras.listing, is_guarded=False),
        Entry(
            "POST",
            "/sdapi/v1/refresh-embeddings",
            "refresh_embeddings",
            _waiting(engine.refresh_embeddings),
        ),
        _order("refresh-checkpoints", "refresh_checkpoints", folders.checkpoints.refresh),
        _order("refresh-vae", "refresh_vae", folders.vaes.refresh),
        _order("refresh-loras", "refresh_loras", folders.loras.refresh, is_guarded=False),
    ]


def _memory(engine: Engine) -> list[Entry]:
    unload, reload = _waiting(engine.unload_checkpoint), _waiting(engine.reload_checkpoint)
    return [
        _list("memory", "get_memory", engine.memory, "MemoryResponse"),
        Entry("POST", "/sdapi/v1/unload-checkpoint", "unloadapi", unload),
        Entry("POST", "/sdapi/v1/reload-checkpoint", "reloadapi", reload),
    ]


def _stopping() -> list[Entry]:
    """The routes of --api-server-stop, as they behave without a web page: only server-kill does something."""
    return [
        _order("server-kill", "kill_webui", _kill),
        _order("server-restart", "restart_webui", lambda: Response(status_code=501)),
        _order("server-stop", "stop_webui", lambda: PlainTextResponse("Stopping.")),
    ]


def _kill() -> NoReturn:
    os._exit(0)  # without an answer, as in the stock webui


def _list(path: str, name: str, work: Callable[[], Any], gives: str = "", is_guarded: bool = True) -> Entry:
    return Entry("GET", f"/sdapi/v1/{path}", name, _plain(work), gives, is_guarded=is_guarded)


def _order(path: str, name: str, work: Callable[[], Any], is_guarded: bool = True) -> Entry:
    return Entry("POST", f"/sdapi/v1/{path}", name, _plain(work), is_guarded=is_guarded)


def _posted(
    path: str, name: str, work: Callable[[dict[str, Any]], Awaitable[Any]], body: str, gives: str
) -> Entry:
    async def answer(request: Request) -> Any:
        kind = request.headers.get("content-type", "")
        return await work(fields.read_body(await request.body(), kind, schemas.BODIES[body]))

    return Entry("POST", f"/sdapi/v1/{path}", name, answer, gives, body)


def _plain(work: Callable[[], Any]) -> Answer:
    async def answer(request: Request) -> Any:
        return work()

    return answer


def _waiting(work: Callable[[], Awaitable[Any]]) -> Answer:
    async def answer(request: Request) -> Any:
        return await work()

    return answer


def _progress(engine: Engine) -> Answer:
    async def answer(request: Request) -> Any:
        query = fields.read_query(request.query_params, _PROGRESS)
        return engine.progress(with_picture=not query["skip_current_image"])

    return answer


def _set_options(engine: Engine) -> Answer:
    async def answer(request: Request) -> Any:
        kind = request.headers.get("content-type", "")
        return await engine.set_options(fields.read_body(await request.body(), kind, {}, keep_others=True))

    return answer
