"""deploy/checks.py: what stands in the way of a plan is found before anything is changed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.unit.deploy.made import ARCHIVE, IMAGE, NAME, OUTPUTS, PACK, after, described, pack_manifest, spec
from webui_async.contract import manifest
from webui_async.contract.errors import (
    BadModelPack,
    EndpointBusy,
    EndpointNameTaken,
    ImageMissing,
    InvalidSpec,
    PackFormWrong,
    PackMissing,
    PipelineError,
    QuotaExceeded,
    TypeUnavailable,
)
from webui_async.deploy.looked import Looked
from webui_async.deploy.materials import PackFacts
from webui_async.deploy.plan import make_plan
from webui_async.deploy.prices import Offer
from webui_async.deploy.quotas import Quota
from webui_async.deploy.spec import EndpointSpec

NONE = Quota("ml.g5.xlarge for endpoint usage", 0, "L-1928E07B")
ARCHIVE_PACK = PackFacts(pack_manifest(manifest.ARCHIVE), archive_bytes=7)

REFUSALS: list[tuple[EndpointSpec, dict[str, Any], type[PipelineError], str]] = [
    (
        spec(),
        {"image": None},
        ImageMissing,
        f"ECR does not hold {IMAGE}: run ./build_and_push.sh eu-central-1",
    ),
    (
        spec(image=IMAGE.replace("eu-central-1", "us-east-1")),
        {},
        ImageMissing,
        "lies in us-east-1, and SageMaker pulls from its own region only, eu-central-1",
    ),
    (
        spec(pack=PACK.replace("art", "other")),
        {},
        InvalidSpec,
        "role reads model packs in s3://art/packs/ only",
    ),
    (spec(), {"pack": PackFacts(None, is_empty=True)}, PackMissing, f"there is no model pack at {PACK}"),
    (spec(), {"pack": PackFacts(None)}, PackMissing, "is not finished: push it again"),
    (spec(), {"pack": ARCHIVE_PACK}, PackFormWrong, "an archive: it is packs/ink/0123456789ab/model.tar.gz"),
    (spec(pack=ARCHIVE), {}, PackFormWrong, "plain files: it is packs/ink/0123456789ab-tar.gz/"),
    (
        spec(pack=ARCHIVE),
        {"pack": PackFacts(pack_manifest(manifest.ARCHIVE))},
        PackMissing,
        "a manifest and no archive",
    ),
    (spec(), {"pack": PackFacts(pack_manifest(kind="LoRA"))}, BadModelPack, "holds no good checkpoint"),
    (spec(), {"pack": PackFacts(pack_manifest(kind=None))}, BadModelPack, "webui-async models check"),
    (
        spec(),
        {"offer": Looked(None), "quota": Looked(None, "not allowed")},
        TypeUnavailable,
        "instance_type is ml.g5.xlarge, and SageMaker does not offer it in eu-central-1",
    ),
    (
        spec(),
        {"quota": Looked(NONE)},
        QuotaExceeded,
        "quota 'ml.g5.xlarge for endpoint usage' is 0 (at least 1 needed). Ask for more in Service Quotas",
    ),
    (
        spec(),
        {"quota": Looked(NONE)},
        QuotaExceeded,
        "servicequotas/home/services/sagemaker/quotas/L-1928E07B",
    ),
    (
        spec(initial_instances=3, max_instances=3),
        {"quota": Looked(dataclasses.replace(NONE, value=2.0))},
        QuotaExceeded,
        "is 2 (at least 3 needed)",
    ),
    (
        spec(),
        {"outputs": dataclasses.replace(OUTPUTS, parameters={"ImageRepository": "theirs"})},
        InvalidSpec,
        "role may pull from the repository 'theirs' only: push the image there, or deploy the stack with",
    ),
    (
        spec(subnets=("subnet-1",), security_groups=("sg-1",)),
        {"outputs": dataclasses.replace(OUTPUTS, parameters={"EndpointInVpc": "false"})},
        InvalidSpec,
        "deploy the stack with EndpointInVpc=true",
    ),
    (spec(name="other"), {}, InvalidSpec, "name is \"other\"; stack 'house' is made for endpoint"),
]


@pytest.mark.parametrize(("made", "fields", "error", "told"), REFUSALS)
def test_a_plan_is_refused_with_its_cause_and_what_to_do(
    made: EndpointSpec, fields: dict[str, Any], error: type[PipelineError], told: str
) -> None:
    there = described(made, **fields)
    if made.name is not None:
        there = dataclasses.replace(there, held=dataclasses.replace(there.held, name=made.name))
    with pytest.raises(error) as caught:
        make_plan(made, there)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "endpoint",
    [
        {"tags": {}},
        {"tags": {"webui-async:endpoint": "other"}},
        {"is_async": False},
    ],
)
def test_an_endpoint_that_is_not_ours_is_left_alone(endpoint: dict[str, Any]) -> None:
    with pytest.raises(EndpointNameTaken, match=f"an endpoint '{NAME}' exists and is not ours"):
        make_plan(spec(), after(spec(), **endpoint))


@pytest.mark.parametrize("status", ["Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"])
def test_a_busy_endpoint_has_to_be_waited_for(status: str) -> None:
    with pytest.raises(EndpointBusy, match=f"is {status}.*Wait"):
        make_plan(spec(), after(spec(), status=status))


def test_a_type_that_only_the_quotas_list_is_offered() -> None:
    assert make_plan(spec(), described(spec(), offer=Looked(None))).calls


def test_a_type_of_which_nothing_can_be_known_is_tried() -> None:
    unknown = {"offer": Looked[Offer](None, "not allowed"), "quota": Looked[Quota](None, "not allowed")}
    assert make_plan(spec(), described(spec(), **unknown)).calls


def test_an_endpoint_that_runs_is_not_held_up_by_its_quota() -> None:
    there = dataclasses.replace(after(spec()), quota=Looked(NONE))
    assert make_plan(spec(), there).calls == ()
    with pytest.raises(QuotaExceeded):
        make_plan(spec(instance_type="ml.g5.2xlarge"), there)
