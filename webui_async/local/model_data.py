"""A model pack from S3 to disk, as SageMaker lays it under /opt/ml/model."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from webui_async.local.errors import PackUnreadable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NAME_BYTES = 255


@dataclass(frozen=True)
class ModelData:
    """Where a SageMaker model keeps its files."""

    bucket: str
    key: str  #: of the tar.gz, or the prefix of plain files with its slash
    is_archive: bool

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def fetch(s3: S3Client, data: ModelData, packs_dir: Path) -> Path:
    """The folder that holds the unpacked files, read-only; made once for each version of the pack.

    Raises PackUnreadable.
    """
    packs_dir.mkdir(parents=True, exist_ok=True)
    try:
        objects = _objects(s3, data)
        folder = packs_dir / hashlib.sha256(repr((data, objects)).encode()).hexdigest()[:16]
        if not folder.exists():
            _make(s3, data, objects, folder)
        return folder
    except (ClientError, BotoCoreError) as error:
        raise PackUnreadable(f"cannot read {data.uri}: {error}") from error
    except (OSError, tarfile.TarError, zlib.error, EOFError) as error:
        raise PackUnreadable(f"cannot unpack {data.uri}: {error}. Build and push the pack again") from error


def _objects(s3: S3Client, data: ModelData) -> list[tuple[str, str]]:
    """(key, ETag) of every object of the pack."""
    if data.is_archive:
        return [(data.key, s3.head_object(Bucket=data.bucket, Key=data.key)["ETag"])]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=data.bucket, Prefix=data.key)
    objects = [(item["Key"], item["ETag"]) for page in pages for item in page.get("Contents", ())]
    if not objects:
        raise PackUnreadable(f"there is nothing under {data.uri}: push the pack first")
    _check_names(data, [key for key, _ in objects])
    return objects


def _check_names(data: ModelData, keys: list[str]) -> None:
    """Raises PackUnreadable for what cannot be a file. Source: SageMaker's API, S3ModelDataSource, S3Uri."""
    names = {key.removeprefix(data.key) for key in keys}
    folders = {name[:at] for name in names for at, letter in enumerate(name) if letter == "/"}
    for name in sorted(names):
        uri = f"{data.uri}{name}"
        if not name or name.endswith("/"):
            raise PackUnreadable(f"{uri} is a folder object, which SageMaker refuses: delete it")
        if name in folders:
            raise PackUnreadable(f"{uri} is a file and a folder, which SageMaker refuses: delete one of them")
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\0" in part or len(part.encode()) > _NAME_BYTES for part in parts):
            raise PackUnreadable(
                f"{uri} has a name that no file can have, which SageMaker refuses: delete it"
            )


def _make(s3: S3Client, data: ModelData, objects: Iterable[tuple[str, str]], folder: Path) -> None:
    """`folder` appears whole or not at all."""
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=folder.parent))
    try:
        if data.is_archive:
            _unpack(s3, data, partial)
        else:
            _copy(s3, data, (key for key, _ in objects), partial)
        _protect(partial)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial)
        raise


def _unpack(s3: S3Client, data: ModelData, folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder.parent) as archive:
        s3.download_fileobj(data.bucket, data.key, archive)
        archive.seek(0)
        with tarfile.open(fileobj=archive, mode="r:gz") as tar:
            tar.extractall(folder, filter="data")


def _copy(s3: S3Client, data: ModelData, keys: Iterable[str], folder: Path) -> None:
    for key in keys:
        target = folder / key.removeprefix(data.key)
        target.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(data.bucket, key, str(target))


def _protect(folder: Path) -> None:
    """Files nobody may write, folders that every user may enter: /opt/ml/model is like that."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o444)
