"""A copy inside the bucket: no byte of it passes through this machine."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import BotoCoreError, ClientError

from webui_async.packager.s3_errors import told
from webui_async.packager.s3_object import SHA256
from webui_async.packager.shelf import Source
from webui_async.store import Store

#: S3 copies no more than this in one request.
MOST_AT_ONCE_BYTES = 5 << 30
PART_BYTES = 1 << 30
_PARTS_AT_A_TIME = 4


def copy(
    store: Store,
    source: Source,
    key: str,
    sha256: str,
    most_at_once_bytes: int = MOST_AT_ONCE_BYTES,
    part_bytes: int = PART_BYTES,
) -> None:
    """The source's bytes are at `key`, with the same metadata.

    Raises StoreError, also when the source is another one by now.
    """
    with told(store.uri(key)):
        if source.size_bytes > most_at_once_bytes:
            _copy_in_parts(store, source, key, sha256, part_bytes)
            return
        store.s3.copy_object(
            Bucket=store.bucket,
            Key=key,
            CopySource={"Bucket": store.bucket, "Key": source.key},
            CopySourceIfMatch=source.etag,
        )


def _copy_in_parts(store: Store, source: Source, key: str, sha256: str, part_bytes: int) -> None:
    s3, bucket = store.s3, store.bucket
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key=key, Metadata={SHA256: sha256})["UploadId"]

    def copy_part(number: int) -> str:
        start = (number - 1) * part_bytes
        end = min(start + part_bytes, source.size_bytes)
        answer = s3.upload_part_copy(
            Bucket=bucket,
            Key=key,
            UploadId=upload_id,
            PartNumber=number,
            CopySource={"Bucket": bucket, "Key": source.key},
            CopySourceIfMatch=source.etag,
            CopySourceRange=f"bytes={start}-{end - 1}",
        )
        return answer["CopyPartResult"]["ETag"]

    try:
        with ThreadPoolExecutor(_PARTS_AT_A_TIME, thread_name_prefix="copy-part") as pool:
            etags = list(pool.map(copy_part, range(1, -(-source.size_bytes // part_bytes) + 1)))
        s3.complete_multipart_upload(
            Bucket=bucket,
            Key=key,
            UploadId=upload_id,
            MultipartUpload={
                "Parts": [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
            },
        )
    except BaseException:
        with contextlib.suppress(ClientError, BotoCoreError):
            s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
        raise
