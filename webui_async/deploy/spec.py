"""What an endpoint is to be. A spec that exists holds: whatever cannot be is refused when it is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from webui_async.contract.scaling import Scaling, StepScaling, TargetTracking
from webui_async.deploy import names
from webui_async.deploy.spec_rules import (
    Image,
    Pack,
    check_environment,
    check_tags,
    demand,
    demanded,
    parse_image,
    parse_pack,
)

#: The hosts' image whose driver fits the container's CUDA; a test holds it to the webui's platform.json.
AMI_VERSION = "al2-ami-sagemaker-inference-gpu-3-1"
#: SageMaker's own bounds. Source: its service model.
MAX_INVOCATION_S, MAX_TIMEOUT_S, MIN_TIMEOUT_S, MAX_VOLUME_GB, MAX_JOBS = 3600, 3600, 60, 512, 1000
#: Families that bring a disk of their own; SageMaker takes no VolumeSizeInGB for them. Source: sagemaker
#: Python SDK, volume_size_supported.
_LOCAL_STORAGE = re.compile(r"ml\.(?:[a-z0-9-]*d[a-z0-9-]*|g5[a-z]*|g6[a-z]*|trn1[a-z]*)\.")
_NAME = re.compile(r"[a-z0-9](-*[a-z0-9]){0,62}")
_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")
#: What a start from zero is made of.
PARTS = ("alarm", "instance", "image", "pack", "load", "warm_up")
_KEY = re.compile(r"[a-zA-Z0-9:/_-]{1,2048}")


@dataclass(frozen=True)
class EndpointSpec:
    """An asynchronous endpoint with one variant."""

    stack: str  #: CloudFormation stack of the template; bucket, role, topics and name come from its outputs
    image: str  #: the container in ECR, as `build_and_push.sh` prints it
    pack: str  #: the model pack, as the last line of `webui-async models push` says it
    name: str | None = None  #: the endpoint's name; the stack's output EndpointName when absent
    instance_type: str = "ml.g5.xlarge"  #: one GPU each
    ami_version: str = AMI_VERSION  #: the hosts' image: its driver must fit the container's CUDA
    min_instances: int = 0  #: 0 costs nothing at rest, and the first job waits for an instance
    max_instances: int = 1  #: more than the account's quota is never reached
    initial_instances: int = 1  #: when the endpoint is made; SageMaker wants one at least
    max_jobs: int = 8  #: K, jobs that one instance has in hand
    backlog_target: float | None = None  #: jobs per instance that scaling aims at; max_jobs when absent
    max_job_s: float = 450.0  #: a drawing that takes longer is ended; × max_jobs within invocation_timeout_s
    invocation_timeout_s: int = 3600  #: how long SageMaker waits for one job; the functions ask for all of it
    startup_timeout_s: int = 1800  #: from the container's start to its first good /ping
    download_timeout_s: int = 1800  #: for the model pack to come down
    scale_out_cooldown_s: int = 300  #: of the target tracking policy
    scale_in_cooldown_s: int = 600  #: of the target tracking policy
    from_zero_cooldown_s: int = 300  #: of the step policy that leads out of zero
    volume_size_gb: int | None = None  #: disk; absent for types that have one of their own, such as g5
    subnets: tuple[str, ...] = ()  #: of your VPC; the instances reach S3 and ECR through it
    security_groups: tuple[str, ...] = ()  #: of your VPC
    kms_key: str | None = None  #: encrypts SageMaker's outputs, and the disk where it is EBS
    tags: Mapping[str, str] = field(default_factory=dict)  #: put on everything that is made
    environment: Mapping[str, str] = field(default_factory=dict)  #: further variables of the container
    usd_per_hour: float | None = None  #: of one instance, for `cost_usd`; the AWS price list when absent
    start_seconds: Mapping[str, float] = field(default_factory=dict)  #: parts of a start that you measured

    def __post_init__(self) -> None:
        self._check_names()
        self._check_numbers()
        self._check_counts()
        self._check_load()
        self._check_network_and_disk()
        check_environment(self.environment)
        check_tags(self.tags)

    @property
    def image_parts(self) -> Image:
        return parse_image(self.image)

    @property
    def pack_parts(self) -> Pack:
        return parse_pack(self.pack)

    @property
    def target(self) -> float:
        """The backlog per instance that scaling aims at."""
        return float(self.max_jobs) if self.backlog_target is None else self.backlog_target

    @property
    def has_local_storage(self) -> bool:
        """Whether the instances bring a disk of their own."""
        return _LOCAL_STORAGE.match(self.instance_type) is not None

    def scaling(self, name: str) -> Scaling:
        """What is registered for the endpoint of that name. One that never rests needs no way out of zero."""
        tracking = TargetTracking(
            names.tracking_policy(name),
            self.target,
            float(self.scale_out_cooldown_s),
            float(self.scale_in_cooldown_s),
        )
        step = StepScaling(names.step_policy(name), cooldown_s=float(self.from_zero_cooldown_s))
        steps = (step,) if self.min_instances == 0 else ()
        return Scaling(self.min_instances, self.max_instances, (tracking,), steps)

    def _check_names(self) -> None:
        if self.name is not None:
            demanded(_NAME, "name", self.name, "it must be up to 63 small letters, digits and dashes")
        demand(bool(self.stack), "stack", self.stack, "it must name the CloudFormation stack")
        demanded(_TYPE, "instance_type", self.instance_type, "it must be like ml.g5.xlarge")
        if self.kms_key is not None:
            demanded(_KEY, "kms_key", self.kms_key, "it must be a KMS key's id, ARN or alias/NAME")
        demand(bool(self.ami_version), "ami_version", self.ami_version, f"leave it out for {AMI_VERSION}")
        assert self.image_parts and self.pack_parts

    def _check_numbers(self) -> None:
        between = (
            ("max_jobs", 1, MAX_JOBS),
            ("max_job_s", 1, MAX_INVOCATION_S),
            ("invocation_timeout_s", 1, MAX_INVOCATION_S),
            ("startup_timeout_s", MIN_TIMEOUT_S, MAX_TIMEOUT_S),
            ("download_timeout_s", MIN_TIMEOUT_S, MAX_TIMEOUT_S),
            ("scale_out_cooldown_s", 0, 86_400),
            ("scale_in_cooldown_s", 0, 86_400),
            ("from_zero_cooldown_s", 0, 86_400),
        )
        for name, low, high in between:
            value = getattr(self, name)
            demand(low <= value <= high, name, value, f"it must be from {low} to {high:g}")
        price = self.usd_per_hour
        demand(price is None or 0 < price < 1e6, "usd_per_hour", price, "it must be more than 0")
        for part, seconds in self.start_seconds.items():
            place = f"start_seconds.{part}"
            demand(part in PARTS, place, seconds, f"the parts of a start are {', '.join(PARTS)}")
            demand(seconds >= 0, place, seconds, "it must be 0 or more")

    def _check_counts(self) -> None:
        low, high, first = self.min_instances, self.max_instances, self.initial_instances
        demand(high >= 1, "max_instances", high, "it must be 1 or more")
        demand(0 <= low <= high, "min_instances", low, f"it must be from 0 to max_instances, {high}")
        least = max(1, low)
        rule = f"it must be from {least} to max_instances, {high}: SageMaker makes no endpoint with 0"
        demand(least <= first <= high, "initial_instances", first, rule)

    def _check_load(self) -> None:
        """What one instance has in hand must be drawn before SageMaker gives it up."""
        k, each, limit = self.max_jobs, self.max_job_s, self.invocation_timeout_s
        rule = (
            f"with max_jobs {k} the last of them ends after {k * each:g} s, and SageMaker gives an "
            f"invocation up after {limit} s: max_jobs × max_job_s must be at most invocation_timeout_s"
        )
        demand(k * each <= limit, "max_job_s", each, rule)
        rule = f"it must be max_jobs, {k}, or more: less would add instances that get no job"
        demand(self.target >= k, "backlog_target", self.backlog_target, rule)

    def _check_network_and_disk(self) -> None:
        is_both = bool(self.subnets) == bool(self.security_groups)
        missing = "security_groups" if self.subnets else "subnets"
        demand(is_both, missing, [], "a VPC is said with both subnets and security_groups, or with neither")
        demand(len(self.subnets) <= 16, "subnets", list(self.subnets), "there may be 16")
        demand(
            len(self.security_groups) <= 5, "security_groups", list(self.security_groups), "there may be 5"
        )
        size = self.volume_size_gb
        if size is not None:
            rule = f"{self.instance_type} has a disk of its own, and SageMaker adds none: leave it out"
            demand(not self.has_local_storage, "volume_size_gb", size, rule)
            demand(
                1 <= size <= MAX_VOLUME_GB, "volume_size_gb", size, f"it must be from 1 to {MAX_VOLUME_GB}"
            )
