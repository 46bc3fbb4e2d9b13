"""deploy/described.py and what it reads from: everything that is there, and not one change."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime

import pytest
from moto.backends import get_backend

from tests.unit.deploy.account import ACCOUNT, REGION
from tests.unit.deploy.house import STACK, House
from tests.unit.deploy.made import DOCKER, OUTPUTS
from webui_async.contract import manifest
from webui_async.contract.errors import BadManifest, ImageMissing, NotAllowed, StackMissing
from webui_async.deploy.clients import PRICING_REGION, Aws
from webui_async.deploy.described import describe, describe_held
from webui_async.deploy.endpoint import newest_image
from webui_async.deploy.prices import Offer
from webui_async.deploy.stack import StackOutputs


def test_an_empty_house_has_image_pack_stack_price_and_quota(house: House) -> None:
    there = describe(house, house.spec())
    parameters = {"ImageRepository": "webui-async-inference"}
    assert (
        there.outputs == dataclasses.replace(OUTPUTS, parameters=parameters)
        and there.region == "eu-central-1"
    )
    assert there.image is not None and there.image.form == DOCKER
    assert there.pack.checkpoints == ["Stable-diffusion/ink.safetensors"] and there.pack.families == ["SD1"]
    assert there.endpoint is None and there.held.configs == there.held.models == ()
    assert there.offer.value == Offer(1.5, True)
    assert there.quota.value is not None and there.quota.value.value == 4
    assert house.changes() == []


def test_an_endpoint_is_described_with_what_it_is_made_of(house: House) -> None:
    made = house.spec(tags={"team": "art"})
    house.apply(made)
    there = describe(house, made)
    endpoint = there.endpoint
    assert endpoint is not None
    assert (endpoint.status, endpoint.instances, endpoint.wanted, endpoint.is_async) == (
        "InService",
        1,
        1,
        True,
    )
    assert (endpoint.image, endpoint.pack, endpoint.instance_type) == (made.image, made.pack, "ml.g5.xlarge")
    assert endpoint.tags == {"team": "art", "webui-async:endpoint": "painter"}
    assert endpoint.usd_per_hour == 1.5
    assert there.held.configs == (endpoint.config,) and there.held.models == (endpoint.model,)
    registered = there.held.registered
    assert [len(each) for each in (registered.targets, registered.policies, registered.alarms)] == [1, 2, 1]


def test_what_belongs_to_others_is_left_out(house: House) -> None:
    sagemaker = house.client("sagemaker")
    for name in ("painter-2-0123456789ab", "painter-mine", "painter-0123456789ab"):
        sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=OUTPUTS.role_arn, PrimaryContainer={"Image": house.image}
        )
    assert describe_held(house, "painter").models == ("painter-0123456789ab",)


def test_an_endpoint_whose_configuration_is_gone_is_described_all_the_same(house: House) -> None:
    house.apply(house.spec())
    config = house.described["EndpointConfigName"]
    house.client("sagemaker").delete_endpoint_config(EndpointConfigName=config)
    endpoint = describe_held(house, "painter").endpoint
    assert endpoint is not None
    assert (endpoint.config, endpoint.instance_type, endpoint.model) == (config, None, None)


def test_an_image_that_ecr_does_not_hold_is_none(house: House) -> None:
    other = house.image.rpartition(":")[0]
    assert describe(house, house.spec(image=f"{other}:9.9.9")).image is None
    assert describe(house, house.spec(image=f"{other}-other:1")).image is None


def test_both_forms_of_a_pack_are_read(house: House) -> None:
    archive = describe(house, house.spec(pack=house.put_pack(manifest.ARCHIVE))).pack
    assert (archive.archive_bytes, archive.size_bytes, archive.is_empty) == (7, 7, False)
    assert archive.manifest is not None and archive.manifest.form == manifest.ARCHIVE


def test_a_pack_that_is_not_there_and_one_that_is_not_whole_are_told_apart(house: House) -> None:
    place = f"s3://{OUTPUTS.bucket}/packs/half/1/"
    assert describe(house, house.spec(pack=place)).pack.is_empty
    house.put("packs/half/1/Lora/a.safetensors", b"half")
    half = describe(house, house.spec(pack=place)).pack
    assert half.manifest is None and not half.is_empty


def test_a_manifest_that_is_none_is_told(house: House) -> None:
    house.put("packs/bad/1/manifest.json", b"{}")
    with pytest.raises(BadManifest, match=r"manifest.json"):
        describe(house, house.spec(pack=f"s3://{OUTPUTS.bucket}/packs/bad/1/"))


def test_what_only_embellishes_a_plan_may_be_refused(house: House) -> None:
    house.shop.usd_per_hour = house.shop.quota = None
    there = describe(house, house.spec())
    assert not there.offer.is_known and "grant pricing:GetProducts" in there.offer.why
    assert not there.quota.is_known and "grant servicequotas:GetServiceQuota" in there.quota.why
    assert "price unknown" in house.plan(house.spec()).text()


def test_a_stack_that_is_not_there_is_told(house: House) -> None:
    with pytest.raises(
        StackMissing, match=r"there is no stack 'hut' in eu-central-1.*webui-async stack deploy"
    ):
        describe(house, house.spec(stack="hut"))


def test_a_stack_of_another_template_is_told(house: House) -> None:
    house.put_stack("hut", without="EndpointRoleArn")
    with pytest.raises(StackMissing, match="'hut' is CREATE_COMPLETE and has no output EndpointRoleArn"):
        StackOutputs.read(house.client("cloudformation"), "hut")


def test_the_newest_image_of_the_stacks_repository_is_found(house: House) -> None:
    newer = house.put_image("0.2.0-0123456789ab")
    images = get_backend("ecr")[ACCOUNT][REGION].repositories["webui-async-inference"].images
    for number, image in enumerate(images):
        image.image_pushed_at = datetime(2026, 1, 1 + number, tzinfo=UTC)
    assert newest_image(house, STACK) == newer
    images[0].image_pushed_at = datetime(2026, 1, 9, tzinfo=UTC)
    assert newest_image(house, STACK) == house.image


def test_a_repository_without_an_image_is_told(house: House) -> None:
    ecr = house.client("ecr")
    tag = house.image.rpartition(":")[2]
    ecr.batch_delete_image(repositoryName="webui-async-inference", imageIds=[{"imageTag": tag}])
    with pytest.raises(ImageMissing, match="holds no image in 'webui-async-inference'"):
        newest_image(house, STACK)
    ecr.delete_repository(repositoryName="webui-async-inference")
    with pytest.raises(ImageMissing):
        newest_image(house, STACK)


def test_a_pack_that_may_not_be_read_is_told_with_the_action(house: House) -> None:
    s3 = house.client("s3")
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::art/packs/*",
    }
    document = {"Version": "2012-10-17", "Statement": [deny]}
    s3.put_bucket_policy(Bucket=OUTPUTS.bucket, Policy=json.dumps(document))
    with pytest.raises(NotAllowed, match="grant s3:GetObject"):
        describe(house, house.spec())


def test_the_region_is_the_one_that_other_tools_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert Aws().region == "eu-west-3"
    monkeypatch.setenv("AWS_REGION", "")
    assert Aws().region == "eu-central-1"


def test_clients_are_made_once_and_prices_asked_where_there_is_a_list(house: House) -> None:
    aws = Aws()
    assert aws.client("ecr") is aws.client("ecr")
    assert aws.client("pricing").meta.region_name == PRICING_REGION
    assert aws.client("ecr").meta.region_name == aws.region == "eu-central-1"
