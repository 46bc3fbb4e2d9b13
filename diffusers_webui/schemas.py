"""Every body and answer under the name that it has in the stock webui's openapi.json.

Source: GET /openapi.json of stable-diffusion-webui v1.10.1.
"""

from diffusers_webui import bodies
from diffusers_webui.fields import (
    Fields,
    anything,
    boolean,
    integer,
    items,
    mapping,
    number,
    objects,
    text,
    texts,
)

_SCRIPT_ARG: Fields = {
    "label": text(),
    "value": anything(),
    "minimum": anything(),
    "maximum": anything(),
    "step": anything(),
    "choices": texts(),
}

_DRAWN: Fields = {"images": texts(), "parameters": mapping(...), "info": text(...)}

_PROBLEM: Fields = {"loc": items(...), "msg": text(...), "type": text(...)}

BODIES: dict[str, Fields] = {
    "StableDiffusionProcessingTxt2Img": bodies.TXT2IMG,
    "StableDiffusionProcessingImg2Img": bodies.IMG2IMG,
    "ExtrasSingleImageRequest": bodies.EXTRA_SINGLE,
    "ExtrasBatchImagesRequest": bodies.EXTRA_BATCH,
    "FileData": bodies.FILE,
    "PNGInfoRequest": bodies.PNG_INFO,
}

ANSWERS: dict[str, Fields] = {
    "TextToImageResponse": _DRAWN,
    "ImageToImageResponse": _DRAWN,
    "ExtrasSingleImageResponse": {"html_info": text(...), "image": text()},
    "ExtrasBatchImagesResponse": {"html_info": text(...), "images": texts(...)},
    "PNGInfoResponse": {"info": text(...), "items": mapping(...), "parameters": mapping(...)},
    "ProgressResponse": {
        "progress": number(...),
        "eta_relative": number(...),
        "state": mapping(...),
        "current_image": text(),
        "textinfo": text(),
    },
    "SamplerItem": {"name": text(...), "aliases": texts(...), "options": mapping(...)},
    "SchedulerItem": {
        "name": text(...),
        "label": text(...),
        "aliases": texts(),
        "default_rho": number(),
        "need_inner_model": boolean(),
    },
    "UpscalerItem": {
        "name": text(...),
        "model_name": text(),
        "model_path": text(),
        "model_url": text(),
        "scale": number(),
    },
    "LatentUpscalerModeItem": {"name": text(...)},
    "SDModelItem": {
        "title": text(...),
        "model_name": text(...),
        "hash": text(),
        "sha256": text(),
        "filename": text(...),
        "config": text(),
    },
    "SDVaeItem": {"model_name": text(...), "filename": text(...)},
    "HypernetworkItem": {"name": text(...), "path": text()},
    "FaceRestorerItem": {"name": text(...), "cmd_dir": text()},
    "RealesrganItem": {"name": text(...), "path": text(), "scale": integer()},
    "PromptStyleItem": {"name": text(...), "prompt": text(), "negative_prompt": text()},
    "EmbeddingsResponse": {"loaded": mapping(...), "skipped": mapping(...)},
    "MemoryResponse": {"ram": mapping(...), "cuda": mapping(...)},
    "ScriptsList": {"txt2img": items(), "img2img": items()},
    "ScriptArg": _SCRIPT_ARG,
    "ScriptInfo": {
        "name": text(),
        "is_alwayson": boolean(),
        "is_img2img": boolean(),
        "args": objects(..., _SCRIPT_ARG),
    },
    "ExtensionItem": {
        "name": text(...),
        "remote": text(...),
        "branch": text(...),
        "commit_hash": text(...),
        "version": text(...),
        "commit_date": text(...),
        "enabled": boolean(...),
    },
    "ValidationError": _PROBLEM,
    "HTTPValidationError": {"detail": objects(None, _PROBLEM)},
}

ALL = BODIES | ANSWERS
