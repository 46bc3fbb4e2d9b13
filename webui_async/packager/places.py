"""Where in S3 models are put: `s3://bucket` and `s3://bucket/packs/NAME`, taken apart and looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from webui_async.contract import keys, manifest
from webui_async.contract.errors import InvalidUri, shown
from webui_async.contract.manifest import Manifest
from webui_async.packager.s3_errors import elsewhere, told
from webui_async.store import Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_BUCKET_URI = re.compile(rf"(?:s3://)?({_BUCKET})/?")
_PACK_URI = re.compile(rf"s3://({_BUCKET})/packs/([A-Za-z0-9][A-Za-z0-9._-]{{0,63}})/?")
ARCHIVE_NAME = "model.tar.gz"
#: Where an S3 client of a machine without a region works.
_NO_REGION = (None, "aws-global")


@dataclass(frozen=True)
class PackPlace:
    """Where the versions of one pack lie."""

    bucket: str
    name: str

    @classmethod
    def parse(cls, uri: str) -> PackPlace:
        """Raises InvalidUri."""
        match = _PACK_URI.fullmatch(uri)
        if match is None:
            raise InvalidUri(
                f"{shown(uri)} is no place for a model pack; it must be s3://BUCKET/packs/NAME, as endpoints "
                "read packs only there, and NAME is up to 64 letters, digits, dots, dashes and underscores"
            )
        return cls(match[1], match[2])

    @property
    def prefix(self) -> str:
        """Of every version."""
        return keys.pack_versions(self.name)

    def version_prefix(self, pack: Manifest) -> str:
        """Of one version in one form: the files of a prefix must lie there alone."""
        form = f"-{pack.form}" if pack.form == manifest.ARCHIVE else ""
        return keys.pack(self.name, pack.version + form)


def parse_bucket(text: str) -> str:
    """The bucket that `s3://bucket` or `bucket` names. Raises InvalidUri."""
    match = _BUCKET_URI.fullmatch(text)
    if match is None:
        raise InvalidUri(f"{shown(text)} names no bucket; it must be s3://BUCKET, or say --stack NAME")
    return match[1]


def bucket_of_stack(cloudformation: Any, stack: str) -> str:
    """The stack's output BucketName.

    cloudformation: a boto3 client. Raises StoreError, and InvalidUri when there is no such output.
    """
    with told(f"stack {stack}"):
        (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    outputs: dict[str, str] = {
        entry["OutputKey"]: entry["OutputValue"] for entry in described.get("Outputs", ())
    }
    if "BucketName" not in outputs:
        raise InvalidUri(f"stack {stack!r} has no output BucketName: name the bucket with s3://BUCKET")
    return outputs["BucketName"]


def make_s3_client() -> S3Client:
    """A client for large transfers, with the credentials and the region of this machine."""
    config = Config(
        max_pool_connections=32,
        connect_timeout=10,
        read_timeout=60,
        tcp_keepalive=True,
        retries={"mode": "standard", "max_attempts": 5},
        # Each part's checksum is a signed header already: hashing the part once more would protect nothing.
        s3={"payload_signing_enabled": False},
    )
    with told("s3"):
        return boto3.client("s3", config=config)


def check_bucket(store: Store) -> None:
    """Nothing when the bucket can be read and lies in the caller's region.

    Raises BucketMissing, NotAllowed, CredentialsRefused, BucketElsewhere, StoreUnreachable.
    """
    with told(store.uri(keys.PACKS)):
        # A LIST comes first because it says why it is refused; the answer to a HEAD has no words.
        store.s3.list_objects_v2(Bucket=store.bucket, Prefix=keys.PACKS, MaxKeys=1)
        head = store.s3.head_bucket(Bucket=store.bucket)
    its_region, ours = head.get("BucketRegion"), store.s3.meta.region_name
    if ours not in _NO_REGION and its_region not in (None, ours):
        raise elsewhere(store.bucket, its_region, ours)
