"""One error tree. Every cause has a code, an HTTP status, and says whether trying again can help."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterable, Iterator
from typing import Any


class PipelineError(Exception):
    """Something of ours went wrong; the message says what, with which value, and what to do."""

    code = "internal_error"
    http_status = 500
    retryable = False

    def problem(self, job_id: str | None = None) -> dict[str, Any]:
        """The RFC 9457 problem document of this error."""
        return self.problem_of(str(self), job_id)

    @classmethod
    def problem_of(cls, detail: str, job_id: str | None = None) -> dict[str, Any]:
        """The RFC 9457 problem document of an error of this kind that says `detail`."""
        body: dict[str, Any] = {
            "type": f"urn:webui-async:{cls.code}",
            "title": (cls.__doc__ or cls.code).splitlines()[0],
            "status": cls.http_status,
            "code": cls.code,
            "detail": detail,
        }
        return body | ({"job_id": job_id} if job_id else {})

    def to_json(self) -> dict[str, Any]:
        """The `error` of a result."""
        return {"code": self.code, "message": str(self), "retryable": self.retryable}


# What the client sent


class MalformedBody(PipelineError):
    """The body is not the JSON object it has to be."""

    code, http_status = "malformed_body", 400


class InvalidPayload(PipelineError):
    """A field holds a value that cannot be drawn."""

    code, http_status = "invalid_payload", 422

    def __init__(self, field: str, value: object, rule: str):
        super().__init__(f"{field} is {shown(value)}; {rule}")
        self.field = field


class ForbiddenField(PipelineError):
    """The payload names a field, setting or script that callers may not use."""

    code, http_status = "forbidden_field", 422

    def __init__(self, field: str, why: str):
        super().__init__(f"{field} is not accepted: {why}")
        self.field = field


class UnknownName(PipelineError):
    """The payload names something this endpoint does not hold."""

    code, http_status = "unknown_name", 422
    what = "name"
    remedy = "Use one of those names"

    def __init__(self, field: str, name: str, known: Iterable[str]):
        held = sorted(known)
        shown_names = ", ".join(held[:20]) + (f" and {len(held) - 20} more" if len(held) > 20 else "")
        super().__init__(
            f"{field}: no {self.what} {name[:200]!r} on this endpoint; "
            f"it holds {shown_names or 'none'}. {self.remedy}"
        )
        self.field, self.name = field, name


class UnknownCheckpoint(UnknownName):
    """The payload names a checkpoint this endpoint does not hold."""

    code, what = "unknown_checkpoint", "checkpoint"
    remedy = "Use one of those, or add the file to Stable-diffusion/ of the model pack"


class UnknownLora(UnknownName):
    """The payload names a LoRA this endpoint does not hold."""

    code, what = "unknown_lora", "LoRA"
    remedy = "Use one of those, or add the file to Lora/ of the model pack"


class UnknownVae(UnknownName):
    """The payload names a VAE this endpoint does not hold."""

    code, what = "unknown_vae", "VAE"


class UnknownSampler(UnknownName):
    """The payload names a sampler the engine does not have."""

    code, what = "unknown_sampler", "sampler"


class UnknownScheduler(UnknownName):
    """The payload names a scheduler the engine does not have."""

    code, what = "unknown_scheduler", "scheduler"


class UnknownUpscaler(UnknownName):
    """The payload names an upscaler the engine does not have."""

    code, what = "unknown_upscaler", "upscaler"


class UnknownScript(UnknownName):
    """The payload names a script the engine does not have."""

    code, what = "unknown_script", "script"


class UnknownControlNetModel(UnknownName):
    """The payload names a ControlNet model this endpoint does not hold."""

    code, what = "unknown_controlnet_model", "ControlNet model"
    remedy = "Use one of those, or add the file to ControlNet/ of the model pack"


class UnknownUpload(PipelineError):
    """The payload refers to an upload that is not there, or is not the caller's."""

    code, http_status = "unknown_upload", 422

    def __init__(self, field: str, upload_id: str):
        super().__init__(
            f"{field}: no upload {upload_id!r} of yours. "
            "Make one with POST /uploads and PUT the file to its url"
        )


class TooMuchWork(PipelineError):
    """The drawing is larger than this endpoint takes on."""

    code, http_status = "too_much_work", 422


class BodyTooLarge(PipelineError):
    """The body is over the limit."""

    code, http_status = "body_too_large", 413


class CallbackRefused(PipelineError):
    """The callback address may not be called."""

    code, http_status = "callback_refused", 422


class TooManyJobs(PipelineError):
    """The caller has as many unfinished jobs as one owner may have."""

    code, http_status, retryable = "too_many_jobs", 429, True


class IdempotencyConflict(PipelineError):
    """The Idempotency-Key was used before with another body."""

    code, http_status = "idempotency_conflict", 409


# Who asks, and for what


class NoOwner(PipelineError):
    """The call carries no API key."""

    code, http_status = "no_api_key", 403


class UnknownRoute(PipelineError):
    """There is no such route."""

    code, http_status = "unknown_route", 404


class UnknownJob(PipelineError):
    """There is no such job of the caller's."""

    code, http_status = "unknown_job", 404

    def __init__(self, job_id: str):
        super().__init__(f"no job {job_id[:80]!r} of yours. GET /jobs lists them")


class UnknownImage(PipelineError):
    """The job has no picture of that number."""

    code, http_status = "unknown_image", 404


class JobDeleted(PipelineError):
    """The job's contents were deleted on request."""

    code, http_status = "job_deleted", 410


class JobEnded(PipelineError):
    """The job has ended already, so it cannot be canceled."""

    code, http_status = "job_ended", 409

    def __init__(self, status: str, ended_at: str):
        super().__init__(f"the job ended at {ended_at}: {status}. GET it to see its result")
        self.status = status

    def problem(self, job_id: str | None = None) -> dict[str, Any]:
        """The problem document, with the ending beside it."""
        return super().problem(job_id) | {"job_status": self.status}


class JobNotEnded(PipelineError):
    """The job has not ended, so it cannot be deleted."""

    code, http_status = "job_not_ended", 409


# What happens to a job


class EndpointRefused(PipelineError):
    """SageMaker refused the invocation for good."""

    code, http_status = "endpoint_refused", 503


class CatalogMissing(PipelineError):
    """The endpoint has not written its catalog yet."""

    code, http_status, retryable = "catalog_missing", 503, True


class JobExpired(PipelineError):
    """The job was not drawn before it expired."""

    code, http_status = "expired", 504

    def __init__(self, expires_at: str):
        super().__init__(
            f"the job was not drawn by {expires_at}. Post it again, with a longer ttl_s if need be"
        )


class JobCanceled(PipelineError):
    """The job was canceled by its owner."""

    code, http_status = "canceled", 409


class AttemptsExhausted(PipelineError):
    """Every attempt at the job was lost."""

    code, http_status = "attempts_exhausted", 502


class FamilyMismatch(PipelineError):
    """The payload names a LoRA or ControlNet model that is not made for its checkpoint."""

    code, http_status = "family_mismatch", 422

    def __init__(self, field: str, what: str, name: str, family: str, checkpoint: str, drawn_with: str):
        """family: the file's own; drawn_with: the checkpoint's."""
        super().__init__(
            f"{field}: {what} {name[:200]!r} is made for {family}, and checkpoint {checkpoint[:200]!r} is "
            f"{drawn_with}. Choose a checkpoint of {family}, or a {what} made for {drawn_with}"
        )
        self.field, self.name = field, name


class ModelFileError(PipelineError):
    """A file is not the model file that its name promises."""

    code, http_status = "bad_model_file", 422

    def __init__(self, name: str, reason: str):
        """reason: what is wrong and what to do, as the rest of a sentence that begins with the name."""
        told = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
        super().__init__(f"{told} {reason}")
        self.name, self.reason = name, reason


class FetchFailed(PipelineError):
    """A model file could not be fetched from the bucket."""

    code, http_status, retryable = "fetch_failed", 502, True


class ModelTooLarge(PipelineError):
    """The models that a job needs are more than the container keeps at a time."""

    code, http_status = "model_too_large", 422


class DiskFull(PipelineError):
    """The container's disk has no room for a model file."""

    code, http_status, retryable = "disk_full", 507, True


class EngineRefused(PipelineError):
    """The engine answered that it cannot draw this payload."""

    code, http_status = "engine_refused", 502

    def __init__(self, message: str, status: int):
        """status: the engine's own, 4xx when it found the payload at fault, 5xx when it failed."""
        super().__init__(message)
        self.status = status


class EngineReplyError(PipelineError):
    """The engine answered with something that is not its API."""

    code, http_status, retryable = "engine_reply", 502, True


class EngineDied(PipelineError):
    """The engine process ended while it was drawing."""

    code, http_status, retryable = "engine_died", 502, True


class EngineHung(PipelineError):
    """The engine made no progress for too long."""

    code, http_status, retryable = "engine_hung", 504, True


class EnginePoisoned(PipelineError):
    """The engine answers, and draws nothing any more."""

    code, http_status, retryable = "engine_poisoned", 502, True


class EngineBroken(PipelineError):
    """The engine cannot be brought up."""

    code, http_status, retryable = "engine_broken", 503, True


class BadModelPack(PipelineError):
    """The model pack holds nothing that can draw."""

    code, http_status = "bad_model_pack", 500


class InvalidUri(PipelineError):
    """The text names no place in a bucket that model files may be put to."""

    code, http_status = "invalid_uri", 422


class NameTaken(PipelineError):
    """Another model file has that name already."""

    code, http_status = "name_taken", 409


class UnknownModel(PipelineError):
    """No model file in the bucket has that name, or several have."""

    code, http_status = "unknown_model", 404


class BadManifest(PipelineError):
    """A pack's manifest.json is not one."""

    code = "bad_manifest"


class PackRefused(PipelineError):
    """The folder cannot become a model pack as it is."""

    code, http_status = "pack_refused", 422


class FileChanged(PipelineError):
    """A model file was written to while it was read."""

    code, http_status, retryable = "file_changed", 409, True

    def __init__(self, name: str, what: str):
        """what: in which way it is another file now, as the rest of a sentence that begins with the name."""
        super().__init__(f"{name} {what}: let the download or copy finish, then start again")
        self.name = name


class WriteFailed(PipelineError):
    """A file of this machine could not be written."""

    code, http_status = "write_failed", 507


class CallbackFailed(PipelineError):
    """The callback was not taken by its receiver."""

    code, retryable = "callback_failed", True


class ContainerStopping(PipelineError):
    """The container is being stopped; the job is given back."""

    code, http_status, retryable = "container_stopping", 503, True


class ContainerFull(PipelineError):
    """The container has as many jobs in hand as it takes."""

    code, http_status, retryable = "container_full", 503, True


class StoreError(PipelineError):
    """S3 refused or failed."""

    code, http_status, retryable = "store_error", 503, True


class ObjectReplaced(StoreError):
    """The object that was being read is not there any more, or another one is."""

    code = "object_replaced"


class BucketMissing(StoreError):
    """There is no such bucket."""

    code, http_status, retryable = "bucket_missing", 404, False


class BucketElsewhere(StoreError):
    """The bucket lies in another region than the one that the caller works in."""

    code, http_status, retryable = "bucket_elsewhere", 409, False


class NotAllowed(StoreError):
    """The caller's credentials do not allow an action."""

    code, http_status, retryable = "not_allowed", 403, False


class CredentialsRefused(StoreError):
    """There are no AWS credentials, or AWS does not take them."""

    code, http_status, retryable = "credentials_refused", 401, False


class StoreUnreachable(StoreError):
    """S3 does not answer, or the connection broke off."""

    code = "store_unreachable"


class BytesDiffer(StoreError):
    """S3 holds other bytes than were sent."""

    code = "bytes_differ"


# What happens to an endpoint while it is deployed


class InvalidSpec(PipelineError):
    """The endpoint's spec holds a field or a value that cannot be."""

    code, http_status = "invalid_spec", 422

    def __init__(self, field: str, value: object, rule: str):
        super().__init__(f"{field} is {shown(value)}; {rule}")
        self.field = field


class StackMissing(PipelineError):
    """There is no such stack, or it is not one of this template's."""

    code, http_status = "stack_missing", 404


class ImageMissing(PipelineError):
    """ECR does not hold the image, or not where SageMaker could pull it from."""

    code, http_status = "image_missing", 404


class PackMissing(PipelineError):
    """There is no such version of a model pack, or it is not whole."""

    code, http_status = "pack_missing", 404


class PackFormWrong(PipelineError):
    """The model pack lies in another form than its uri says."""

    code, http_status = "pack_form_wrong", 422


class TypeUnavailable(PipelineError):
    """The region does not offer the instance type."""

    code, http_status = "instance_type_unavailable", 422


class QuotaExceeded(PipelineError):
    """The account may not have that many instances."""

    code, http_status = "quota_exceeded", 403


class EndpointNameTaken(PipelineError):
    """An endpoint of that name exists, and it is not ours."""

    code, http_status = "endpoint_name_taken", 409


class EndpointMissing(PipelineError):
    """There is no such endpoint."""

    code, http_status = "endpoint_missing", 404


class EndpointBusy(PipelineError):
    """The endpoint is being changed, and takes no other change until that has ended."""

    code, http_status, retryable = "endpoint_busy", 409, True


class EndpointFailed(PipelineError):
    """An endpoint cannot be brought up."""

    code, http_status = "endpoint_failed", 502


class UpdateRolledBack(PipelineError):
    """An update failed, and the endpoint has its former configuration again."""

    code, http_status = "update_rolled_back", 502


class WaitedTooLong(PipelineError):
    """An endpoint did not come to rest in the time it has."""

    code, http_status, retryable = "waited_too_long", 504, True


class CheckoutMissing(PipelineError):
    """The command needs a checkout of the project, and does not run in one."""

    code, http_status = "checkout_missing", 404


class ToolMissing(PipelineError):
    """A program of this machine's that the command calls is not there."""

    code = "tool_missing"


class DeployFailed(PipelineError):
    """The stack was not deployed."""

    code, http_status = "deploy_failed", 502


class EndpointExists(PipelineError):
    """The stack's endpoint is still there, so the stack cannot go."""

    code, http_status = "endpoint_exists", 409


class StackNotDeleted(PipelineError):
    """CloudFormation did not delete the stack, or has not yet."""

    code, http_status, retryable = "stack_not_deleted", 409, True


class AwsRefused(PipelineError):
    """AWS refused a request."""

    code, http_status = "aws_refused", 502


class AwsUnreachable(PipelineError):
    """AWS does not answer, or asks to be asked less often."""

    code, http_status, retryable = "aws_unreachable", 503, True


class SettingsError(PipelineError):
    """A setting is missing or cannot be read."""

    code = "invalid_setting"


class InvalidOption(PipelineError):
    """An option of the command line holds a value that cannot be used."""

    code, http_status = "invalid_option", 422

    def __init__(self, option: str, value: object, rule: str):
        super().__init__(f"{option} is {shown(value)}; {rule}")
        self.option = option


class TrafficRefused(PipelineError):
    """A file of arrivals, rates or drawing times is not one."""

    code, http_status = "traffic_refused", 422


class UnknownScaling(PipelineError):
    """What is registered for an endpoint's scaling says what our rules do not know."""

    code = "unknown_scaling"

    def __init__(self, where: str, field: str, value: object, known: Iterable[object]):
        names = " or ".join(shown(each) for each in known)
        super().__init__(
            f"{where} has {field} {shown(value)}; only {names} is known. Remove it, or register it again "
            "with webui-async endpoint apply"
        )
        self.field = field


class BadSignature(PipelineError):
    """A callback's signature does not hold."""

    code, http_status = "bad_signature", 401


def all_errors(root: type[PipelineError] = PipelineError) -> Iterator[type[PipelineError]]:
    """`root` and every error below it."""
    yield root
    for child in root.__subclasses__():
        yield from all_errors(child)


def error_of(code: object) -> type[PipelineError]:
    """The error that a result's `code` speaks of; PipelineError for a code that is none of ours."""
    return next((error for error in all_errors() if error.code == code), PipelineError)


def shown(value: object) -> str:
    """A value as a message shows it: in JSON's words, quoted, and never more than 80 characters of it."""
    if isinstance(value, str):
        # A lone surrogate has no UTF-8: it is shown as an escape.
        start = value[:80].encode("utf-8", "backslashreplace").decode()
        quoted = json.dumps(start, ensure_ascii=False)
        return quoted if len(value) <= 80 else f'{quoted[:60]}…" ({len(value)} characters)'
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = reprlib.repr(value)
    return text if len(text) <= 80 else f"{text[:60]}… ({type(value).__name__})"
