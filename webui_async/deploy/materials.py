"""What an endpoint is made from: the image in ECR and the model pack on S3, as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from webui_async.contract import manifest
from webui_async.contract.errors import ImageMissing
from webui_async.contract.manifest import Manifest
from webui_async.deploy.aws_errors import is_absent, told
from webui_async.deploy.spec_rules import Image, Pack
from webui_async.packager.places import ARCHIVE_NAME
from webui_async.packager.s3_errors import told as told_of_s3
from webui_async.store import Store

CHECKPOINT = "checkpoint"


@dataclass(frozen=True)
class ImageFacts:
    """An image that ECR holds."""

    size_bytes: int  #: as it is pulled, compressed
    form: str  #: media type of its manifest


@dataclass(frozen=True)
class PackFacts:
    """What lies where the spec says that the pack is."""

    manifest: Manifest | None  #: None when there is none, so that nothing there is whole
    archive_bytes: int | None = None  #: size of model.tar.gz; None when there is none
    is_empty: bool = False  #: nothing lies there at all

    @property
    def size_bytes(self) -> int:
        return self.archive_bytes or (self.manifest.size_bytes if self.manifest else 0)

    @property
    def checkpoints(self) -> list[str]:
        """The checkpoints that were found good when the pack was pushed."""
        files = self.manifest.files if self.manifest else ()
        return [file.path for file in files if file.type == CHECKPOINT]

    @property
    def families(self) -> list[str]:
        files = self.manifest.files if self.manifest else ()
        return sorted({file.family for file in files if file.family})


def read_image(ecr: Any, image: Image) -> ImageFacts | None:
    """The image's facts; None when ECR does not hold it. Raises NotAllowed, AwsUnreachable, AwsRefused."""
    wanted = {"imageDigest": image.digest} if image.digest else {"imageTag": image.tag}
    with told("ecr"):
        try:
            answer = ecr.describe_images(
                registryId=image.account, repositoryName=image.repository, imageIds=[wanted]
            )
        except ClientError as error:
            if is_absent(error):
                return None
            raise
    (detail,) = answer["imageDetails"]
    return ImageFacts(detail.get("imageSizeInBytes", 0), detail.get("imageManifestMediaType", ""))


def read_newest(ecr: Any, repository: str) -> str:
    """The URI of the image with a tag that was pushed last. Raises ImageMissing."""
    with told("ecr"):
        try:
            (described,) = ecr.describe_repositories(repositoryNames=[repository])["repositories"]
            pages = ecr.get_paginator("describe_images").paginate(
                repositoryName=repository, filter={"tagStatus": "TAGGED"}
            )
            images = [image for page in pages for image in page["imageDetails"]]
        except ClientError as error:
            if not is_absent(error):
                raise
            images = []
    if not images:
        raise ImageMissing(f"ECR holds no image in {repository!r}: run ./build_and_push.sh REGION")
    newest = max(images, key=lambda image: image["imagePushedAt"])
    return f"{described['repositoryUri']}:{newest['imageTags'][0]}"


def read_pack(store: Store, pack: Pack) -> PackFacts:
    """What lies at the pack's place. Raises StoreError, and BadManifest for a manifest that is none."""
    uri = store.uri(pack.prefix)
    with told_of_s3(uri):
        text = store.get_bytes(pack.prefix + manifest.NAME)
        archive = store.head(pack.prefix + ARCHIVE_NAME)
        is_empty = text is None and not any(store.list(pack.prefix, limit=1))
    read = Manifest.from_bytes(text) if text is not None else None
    return PackFacts(read, archive.size if archive else None, is_empty)
