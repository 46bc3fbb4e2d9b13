"""How the engine is launched: its command line, its environment, and what it finds in its folder."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from serve.data_dir import DataDir
from webui_async.contract.errors import SettingsError
from webui_async.contract.settings import PREFIX, ServeSettings

#: Where the image has the stock webui.
STOCK_WEBUI = Path("/opt/stable-diffusion-webui")
STOCK_PROGRAM = (str(STOCK_WEBUI / "venv/bin/python"), str(STOCK_WEBUI / "launch.py"))
FLAGS, OPTIONS, EXTENSIONS = "flags.txt", "config.json", "extensions"

#: What the engine gets of our environment. Never AWS_* or a credentials URI: model files and extensions are
#: other people's code.
PASSED_ON = (
    "PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "LD_PRELOAD", "VIRTUAL_ENV", "HF_HOME",
    "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES",
    "PYTORCH_CUDA_ALLOC_CONF",
)  # fmt: skip
_COMMENT = re.compile(r"(?:^|\s)#.*")
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}


def command(settings: ServeSettings) -> list[str]:
    """The engine's command line, its places filled in. Raises SettingsError that names what to correct."""
    if settings.engine_command.strip():
        where = f"{PREFIX}ENGINE_COMMAND is {settings.engine_command!r}"
        return _filled(settings.engine_command, settings, where)
    return [*STOCK_PROGRAM, *_flags(settings)]


def engine_environment(settings: ServeSettings, environment: Mapping[str, str]) -> dict[str, str]:
    """All that the engine sees of the world outside its folders."""
    passed_on = {name: environment[name] for name in PASSED_ON if name in environment}
    return passed_on | OFFLINE | {"HOME": settings.data_dir, "PYTHONUNBUFFERED": "1"}


def prepare_data_dir(settings: ServeSettings) -> None:
    """The engine's folder as every start finds it: its options fresh, its extensions linked.

    Fresh options, because the webui saves what callers set. Raises EngineBroken.
    """
    data_dir, options = DataDir(settings), Path(settings.webui_dir) / OPTIONS
    with data_dir.laying_out():
        data_dir.make_folder()
        if options.is_file():
            data_dir.write(OPTIONS, options.read_bytes(), engine_owns=True)
        if (STOCK_WEBUI / EXTENSIONS).is_dir():
            data_dir.link(EXTENSIONS, STOCK_WEBUI / EXTENSIONS)


def _flags(settings: ServeSettings) -> Iterator[str]:
    """The words of flags.txt: one flag a line, with its value, and the reason behind ` # `."""
    file = Path(settings.webui_dir) / FLAGS
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{file} cannot be read: {error}; set {PREFIX}WEBUI_DIR to the folder that says how the webui is "
            f"launched, or {PREFIX}ENGINE_COMMAND"
        ) from error
    for number, line in enumerate(lines, 1):
        words = _filled(_COMMENT.sub("", line), settings, f"{file} line {number} is {line!r}")
        if words and (not words[0].startswith("--") or len(words) > 2):
            raise SettingsError(
                f"{file} line {number} is {line!r}; it must be one flag, `--name [value] # why`"
            )
        yield from words


def _filled(text: str, settings: ServeSettings, where: str) -> list[str]:
    places = {"port": settings.engine_port, "data_dir": settings.data_dir}
    try:
        return [word.format(**places) for word in shlex.split(text)]
    except (ValueError, KeyError, IndexError) as error:
        raise SettingsError(f"{where}: {error}; its places are {{port}} and {{data_dir}}") from error
