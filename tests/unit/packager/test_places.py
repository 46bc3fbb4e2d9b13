"""Places on S3: which are taken, and what is wrong with a bucket."""

from __future__ import annotations

import json

import boto3
import pytest

from tests.unit.packager.wire import BUCKET, Wire
from webui_async.contract.errors import BucketElsewhere, BucketMissing, InvalidUri, StoreError
from webui_async.packager.places import (
    PackPlace,
    bucket_of_stack,
    check_bucket,
    make_s3_client,
    parse_bucket,
)
from webui_async.store import Store


@pytest.mark.parametrize("uri", ["s3://art-1.eu/packs/ink.v2_a-b", "s3://art-1.eu/packs/ink.v2_a-b/"])
def test_a_packs_place_is_a_bucket_and_a_name(uri: str) -> None:
    assert PackPlace.parse(uri) == PackPlace("art-1.eu", "ink.v2_a-b")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "art/packs/ink",
        "s3://art",
        "s3://art/ink",
        "s3://art/packs/",
        "s3://art/packs/ink/v2",
        "s3://art/packs/..",
        "s3://art/packs/a b",
        "s3://Art/packs/ink",
        "https://art.s3.amazonaws.com/packs/ink",
        "s3://art/packs/" + "a" * 65,
    ],
)
def test_any_other_place_is_refused_with_the_form_it_must_have(uri: str) -> None:
    with pytest.raises(InvalidUri, match="s3://BUCKET/packs/NAME"):
        PackPlace.parse(uri)


@pytest.mark.parametrize("text", ["s3://art", "s3://art/", "art"])
def test_a_bucket_may_be_said_with_and_without_its_scheme(text: str) -> None:
    assert parse_bucket(text) == "art"


@pytest.mark.parametrize("text", ["", "s3://art/packs", "Art", "s3:art"])
def test_what_names_no_bucket_is_refused(text: str) -> None:
    with pytest.raises(InvalidUri, match="--stack"):
        parse_bucket(text)


def test_a_good_bucket_is_good(store: Store) -> None:
    check_bucket(store)


def test_a_bucket_that_is_not_there_is_told_by_name(wire: Wire) -> None:
    with pytest.raises(BucketMissing, match="no bucket 'arts'"):
        check_bucket(Store(wire.client, "arts"))


def test_a_bucket_of_another_region_is_told_with_both_regions(wire: Wire) -> None:
    there = boto3.client("s3", region_name="us-west-2")
    with pytest.raises(BucketElsewhere, match=r"lies in eu-central-1 and you work in us-west-2.*AWS_REGION"):
        check_bucket(Store(there, BUCKET))


def test_the_client_for_large_transfers_works(wire: Wire) -> None:
    check_bucket(Store(make_s3_client(), BUCKET))


def make_stack(outputs: dict[str, str]) -> str:
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    boto3.client("cloudformation").create_stack(StackName="house", TemplateBody=json.dumps(template))
    return "house"


def test_the_bucket_of_a_stack_is_its_output(wire: Wire) -> None:
    stack = make_stack({"BucketName": "art", "EndpointName": "webui-async"})
    assert bucket_of_stack(boto3.client("cloudformation"), stack) == "art"


def test_a_stack_without_that_output_is_told(wire: Wire) -> None:
    stack = make_stack({"EndpointName": "webui-async"})
    with pytest.raises(InvalidUri, match="'house' has no output BucketName"):
        bucket_of_stack(boto3.client("cloudformation"), stack)


def test_a_stack_that_is_not_there_is_told_by_name(wire: Wire) -> None:
    with pytest.raises(StoreError, match="house"):
        bucket_of_stack(boto3.client("cloudformation"), "house")
