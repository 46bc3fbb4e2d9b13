"""deploy/spec.py: a spec that exists holds, and whatever cannot be is refused with field, value and rule."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.unit.deploy.made import ARCHIVE, IMAGE, PACK, spec
from webui_async.contract.errors import InvalidSpec
from webui_async.deploy.spec_rules import Image, Pack

DIGEST = "sha256:" + "a" * 64
REPOSITORY = IMAGE.partition(":")[0]


def test_a_spec_needs_no_more_than_stack_image_and_pack() -> None:
    made = spec()
    assert (made.max_jobs, made.target, made.min_instances, made.max_instances) == (8, 8.0, 0, 1)
    assert made.max_jobs * made.max_job_s == made.invocation_timeout_s == 3600


def test_the_image_is_taken_apart_with_a_tag_or_a_digest() -> None:
    tag = Image("123456789012", "eu-central-1", "webui-async-inference", "0.1.0-3f2a91c04d7e", None)
    assert spec().image_parts == tag
    assert spec(image=f"{REPOSITORY}@{DIGEST}").image_parts == dataclasses.replace(
        tag, tag=None, digest=DIGEST
    )


def test_the_pack_is_taken_apart_in_both_forms() -> None:
    assert spec().pack_parts == Pack("art", "packs/ink/0123456789ab/", False)
    assert spec(pack=ARCHIVE).pack_parts == Pack("art", "packs/ink/0123456789ab-tar.gz/", True)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"stack": ""}, "stack is"),
        ({"name": "Painter"}, 'name is "Painter"; it must be up to 63 small letters'),
        ({"name": "a" * 64}, "name is"),
        ({"image": "painter:1"}, 'image is "painter:1"; it must be ACCOUNT.dkr.ecr.REGION'),
        ({"image": REPOSITORY}, "image is"),
        (
            {"pack": "s3://art/packs/ink"},
            'pack is "s3://art/packs/ink"; it must be s3://BUCKET/packs/NAME/VERSION/',
        ),
        ({"pack": PACK.rstrip("/")}, "pack is"),
        ({"pack": "s3://art/ink/1/"}, "pack is"),
        ({"instance_type": "g5.xlarge"}, 'instance_type is "g5.xlarge"; it must be like ml.g5.xlarge'),
        ({"ami_version": ""}, "ami_version is"),
        ({"max_jobs": 0}, "max_jobs is 0; it must be from 1 to 1000"),
        ({"invocation_timeout_s": 3601}, "invocation_timeout_s is 3601; it must be from 1 to 3600"),
        ({"startup_timeout_s": 59}, "startup_timeout_s is 59; it must be from 60 to 3600"),
        ({"download_timeout_s": 3601}, "download_timeout_s is 3601"),
        ({"scale_in_cooldown_s": -1}, "scale_in_cooldown_s is -1"),
        ({"usd_per_hour": 0.0}, "usd_per_hour is 0.0; it must be more than 0"),
        ({"max_instances": 0}, "max_instances is 0; it must be 1 or more"),
        ({"min_instances": 2}, "min_instances is 2; it must be from 0 to max_instances, 1"),
        ({"min_instances": -1}, "min_instances is -1"),
        (
            {"initial_instances": 0},
            "initial_instances is 0; it must be from 1 to max_instances, 1: SageMaker makes",
        ),
        ({"initial_instances": 2}, "initial_instances is 2"),
        ({"min_instances": 2, "max_instances": 3}, "initial_instances is 1; it must be from 2"),
        ({"max_job_s": 451.0}, "max_job_s is 451.0; with max_jobs 8 the last of them ends after 3608 s"),
        ({"invocation_timeout_s": 900}, "gives an invocation up after 900 s"),
        ({"backlog_target": 7.0}, "backlog_target is 7.0; it must be max_jobs, 8, or more"),
        ({"subnets": ("subnet-1",)}, "security_groups is []; a VPC is said with both"),
        ({"security_groups": ("sg-1",)}, "subnets is []; a VPC is said with both"),
        ({"subnets": ("s",) * 17, "security_groups": ("g",)}, "subnets is"),
        ({"subnets": ("s",), "security_groups": ("g",) * 6}, "security_groups is"),
        ({"volume_size_gb": 100}, "volume_size_gb is 100; ml.g5.xlarge has a disk of its own"),
        (
            {"volume_size_gb": 513, "instance_type": "ml.p3.2xlarge"},
            "volume_size_gb is 513; it must be from 1 to 512",
        ),
        (
            {"start_seconds": {"image_pull": 1.0}},
            "start_seconds.image_pull is 1.0; the parts of a start are alarm",
        ),
        ({"start_seconds": {"image": -1.0}}, "start_seconds.image is -1.0"),
        ({"kms_key": "my key"}, 'kms_key is "my key"; it must be a KMS key\'s id'),
        ({"tags": {"team": "art & ink"}}, 'tags.team is "art & ink"; a tag\'s value is up to 256 letters'),
        ({"tags": {"aws:team": "art"}}, 'tags.aws:team is "art"; a tag\'s name is'),
        ({"tags": {"": "art"}}, "tags. is"),
        ({"tags": {f"t{n}": "" for n in range(50)}}, "tags is 50; there may be 49"),
        ({"environment": {"A-B": "1"}}, 'environment.A-B is "1"; no variable can have that name'),
        ({"environment": {"A": "x" * 1025}}, "environment.A is"),
        ({"environment": {f"A{n}": "1" for n in range(100)}}, "environment is 106; a container takes 100"),
        (
            {"environment": {"WEBUI_ASYNC_FETCH_PART": "8"}},
            'WEBUI_ASYNC_FETCH_PART is "8"; the container has no such setting: did you mean fetch_parts?',
        ),
        ({"environment": {"WEBUI_ASYNC_fetch_parts": "8"}}, "the container has no such setting"),
        ({"environment": {"WEBUI_ASYNC_FETCH_PARTS": "many"}}, "the container cannot read it"),
        ({"environment": {"WEBUI_ASYNC_MAX_JOBS": "4"}}, "say it with max_jobs"),
        ({"environment": {"WEBUI_ASYNC_BUCKET": "b"}}, "say it with the stack"),
    ],
)
def test_what_cannot_be_is_refused_with_field_and_value(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        spec(**fields)
    assert told in str(caught.value)


def test_what_is_just_possible_is_accepted() -> None:
    made = spec(
        name="a" * 63,
        max_jobs=9,
        max_job_s=400.0,
        backlog_target=9.0,
        min_instances=2,
        max_instances=2,
        initial_instances=2,
        environment={"WEBUI_ASYNC_FETCH_PARTS": "4", "HF_HUB_OFFLINE": "1"},
        start_seconds={"warm_up": 0.0},
    )
    assert made.target == 9.0


@pytest.mark.parametrize(
    ("instance_type", "has"),
    [
        ("ml.g5.xlarge", True),
        ("ml.g6e.2xlarge", True),
        ("ml.g4dn.xlarge", True),
        ("ml.p4de.24xlarge", True),
        ("ml.p3.2xlarge", False),
        ("ml.m5.large", False),
    ],
)
def test_types_with_a_disk_of_their_own_are_known(instance_type: str, has: bool) -> None:
    assert spec(instance_type=instance_type).has_local_storage is has


def test_scaling_is_what_the_spec_says() -> None:
    scaling = spec(max_instances=3, scale_in_cooldown_s=60, from_zero_cooldown_s=30).scaling("painter")
    (tracking,), (step,) = scaling.target_tracking, scaling.steps
    assert (scaling.min_capacity, scaling.max_capacity) == (0, 3)
    assert (tracking.name, tracking.target, tracking.scale_in_cooldown_s) == ("painter-backlog", 8.0, 60.0)
    assert (step.name, step.cooldown_s) == ("painter-from-zero", 30.0)


def test_an_endpoint_that_never_rests_has_no_way_out_of_zero() -> None:
    assert spec(min_instances=1).scaling("painter").steps == ()
