"""Settings: one frozen dataclass per process, read once, `WEBUI_ASYNC_*` in the environment."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from webui_async.contract.errors import SettingsError

PREFIX = "WEBUI_ASYNC_"
_Settings = TypeVar("_Settings")


@dataclass(frozen=True)
class HandlerSettings:
    """What the five Lambda functions need to know."""

    bucket: str  #: holds jobs, uploads, catalogs and model packs
    endpoint: str = ""  #: the SageMaker endpoint that draws; submit, api and complete
    topic_arn: str = ""  #: SNS topic that every ending is published to; complete only
    events_queue_url: str = ""  #: queue of S3 and SageMaker events; reap only
    callbacks_queue_url: str = ""  #: FIFO queue of callbacks to deliver; complete and deliver
    callback_secret_arn: str = ""  #: Secrets Manager secret {"current", "previous"}; deliver only
    api_url: str = ""  #: where clients reach the API, for the links of a callback; deliver only
    callback_allow_hosts: tuple[str, ...] = ()  #: host:port callable though http or not public
    owner_aliases: dict[str, str] = field(default_factory=dict)  #: API key id -> owner, for rotated keys
    hold_s: float = 25.0  #: how long a stock route holds the line; API Gateway ends at 29 s
    poll_s: float = 0.25  #: how often a held line looks for the ending
    job_ttl_s: int = 21600  #: a job not drawn by then is expired; 60 to 21600, SageMaker's own bounds
    link_ttl_s: int = 3600  #: how long a presigned link lasts
    max_active_jobs: int = 1000  #: unfinished jobs one owner may have
    max_upload_bytes: int = 64_000_000  #: size of one upload
    max_pixel_steps: int = 2_500_000_000  #: width × height × steps × pictures that one job may ask for


@dataclass(frozen=True)
class ServeSettings:
    """What the container needs to know."""

    bucket: str  #: holds jobs, uploads and the catalog
    endpoint: str  #: the SageMaker endpoint's name: the catalog's key
    engine_command: str = ""  #: starts the engine; {port} {data_dir} are filled in; empty: the stock webui
    webui_dir: str = "/opt/webui-async/stable-diffusion-webui"  #: flags.txt and config.json of the webui
    model_dir: str = "/opt/ml/model"  #: the unpacked model pack, read only
    data_dir: str = "/tmp/webui"  #: the engine's writable place
    fetched_dir: str = "/tmp/fetched"  #: where model files from the bucket's models/ are kept
    fetch_budget_bytes: int = 30_000_000_000  #: how much of them at a time; least recently used go first
    fetch_parts: int = 8  #: parallel GETs of one file
    fetch_part_bytes: int = 16_777_216  #: what one of them asks for
    host: str = "0.0.0.0"  #: where /ping and /invocations listen
    port: int = 8080  #: SageMaker's port
    engine_port: int = 7860  #: where the engine listens, loopback only
    engine_uid: int = 10001  #: the engine's own user when serve is root, nobody else's; 0 leaves it root
    startup_timeout_s: float = 1800.0  #: a checkpoint load from a cold disk takes minutes
    drawing_timeout_s: float = 450.0  #: max_job_s: a longer drawing is hung; × max_jobs at most 3600
    stall_timeout_s: float = 300.0  #: no progress for this long: the engine is hung
    max_jobs: int = 8  #: K: jobs in hand, MaxConcurrentInvocationsPerInstance
    affinity_max_run: int = 8  #: drawings that may pass a waiting job over, to spare a checkpoint switch
    engine_max_rss_bytes: int = 0  #: a bigger engine is started anew between jobs; 0: 80 % of the machine's
    engine_max_switches: int = 200  #: checkpoint switches after which it is started anew; 0: never
    heartbeat_s: float = 2.0  #: how often progress.json is written
    watch_s: float = 1.0  #: how often cancel.json is looked for while drawing
    progress_s: float = 0.5  #: how often the engine is asked how far it is
    max_restarts: int = 3  #: engine starts that may fail in a row before the container is broken for good
    shutdown_s: float = 20.0  #: SageMaker kills 30 s after SIGTERM
    max_pixel_steps: int = 2_500_000_000  #: width × height × steps × pictures that one job may ask for
    instance_usd_per_hour: float = 0.0  #: price of the instance; 0 when unknown
    instance: str = ""  #: name in progress.json; the host's name when empty


def read_settings(cls: type[_Settings], environment: Mapping[str, str], **flags: Any) -> _Settings:
    """Settings from flags, else from the environment, else defaults.

    Lists are comma separated, tables are JSON. Raises SettingsError that names the variable.
    """
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for item in dataclasses.fields(cls):  # type: ignore[arg-type]
        variable = PREFIX + item.name.upper()
        if flags.get(item.name) is not None:
            values[item.name] = flags[item.name]
        elif variable in environment:
            values[item.name] = _parse(variable, environment[variable], hints[item.name])
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise SettingsError(f"{variable} is not set; it {_comment(item.name)}")
    return cls(**values)


def _comment(name: str) -> str:
    return {"bucket": "names the bucket of jobs and models", "endpoint": "names the SageMaker endpoint"}.get(
        name, "is needed"
    )


def _parse(variable: str, text: str, kind: Any) -> Any:
    origin = typing.get_origin(kind)
    try:
        if origin is tuple:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        if origin is dict:
            table = json.loads(text or "{}")
            if not isinstance(table, dict):
                raise ValueError("not a JSON object")
            return table
        if origin is types.UnionType or kind is bool:
            raise TypeError(f"no reader for {kind}")
        return kind(text)
    except ValueError as error:
        raise SettingsError(f"{variable} is {text!r}: {error}") from error
