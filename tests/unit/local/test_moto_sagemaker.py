"""local/moto_sagemaker.py and what it is made of: endpoints go from status to status as on AWS."""

from __future__ import annotations

import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from webui_async.contract.scaling import Scaling, StepScaling
from webui_async.deploy.scaling_calls import scaling_requests
from webui_async.local.control_plane import ControlPlane, Credentials
from webui_async.local.errors import StackError
from webui_async.local.private_routes import PrivateRoutes

ROLE = "arn:aws:iam::123456789012:role/painter"
NUMBERS = itertools.count(1)


class Account:
    """A control plane, and what a hosting on it would say."""

    def __init__(self, plane: ControlPlane):
        self.plane = plane
        self.sagemaker = plane.client("sagemaker")
        self.autoscaling = plane.client("application-autoscaling")
        self.name = f"sd-{next(NUMBERS)}"

    def make_config(self, version: int = 1, instance_type: str = "ml.g5.xlarge", count: int = 1) -> str:
        name = f"{self.name}-{version}"
        self.sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "webui:1"}
        )
        variant = {
            "VariantName": "gpu",
            "ModelName": name,
            "InstanceType": instance_type,
            "InitialInstanceCount": count,
        }
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[variant],
            AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": f"s3://art/{version}"}},
        )
        return name

    def create(self, count: int = 1, instance_type: str = "ml.g5.xlarge") -> str:
        config = self.make_config(1, instance_type, count)
        self.sagemaker.create_endpoint(EndpointName=self.name, EndpointConfigName=config)
        return config

    def update(self, config: str, **parameters: Any) -> None:
        self.sagemaker.update_endpoint(EndpointName=self.name, EndpointConfigName=config, **parameters)

    def scale(self, count: int) -> None:
        self.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=self.name,
            DesiredWeightsAndCapacities=[{"VariantName": "gpu", "DesiredInstanceCount": count}],
        )

    def delete(self) -> None:
        self.sagemaker.delete_endpoint(EndpointName=self.name)

    def register(self, adjustment: int = 1) -> str:
        """The ARN of the one policy."""
        scaling = Scaling(0, 2, steps=(StepScaling("from-zero", adjustment=adjustment),))
        requests = scaling_requests(scaling, self.name, "gpu")
        self.autoscaling.register_scalable_target(**requests.target)
        arn: str = self.autoscaling.put_scaling_policy(**requests.policies[0])["PolicyARN"]
        return arn

    def report(self, config: str | None, instances: int, **failure: str) -> str:
        created_at = self.described["CreationTime"].timestamp()
        document = {"created_at": created_at, "config": config, "instances": instances} | failure
        status: str = self.plane.tell(f"endpoints/{self.name}", document)["status"]
        return status

    @property
    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=self.name)
        return found

    @property
    def status(self) -> str:
        return str(self.described["EndpointStatus"])

    @property
    def counts(self) -> tuple[int, int]:
        """(current, desired) instances."""
        (variant,) = self.described["ProductionVariants"]
        return variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    plane = ControlPlane.start(tmp_path_factory.mktemp("plane"))
    yield plane
    plane.stop()


@pytest.fixture
def unhosted(plane: ControlPlane) -> Account:
    return Account(plane)


@pytest.fixture
def account(plane: ControlPlane) -> Iterator[Account]:
    plane.tell("hosting", {"is_here": True})
    yield Account(plane)
    plane.tell("hosting", {"is_here": False})


def refusal(call: Any, *words: Any, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(*words, **parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def arn_of(account: Account) -> str:
    return f"arn:aws:sagemaker:eu-central-1:123456789012:endpoint/{account.name}"


def test_without_a_hosting_whatever_is_asked_for_holds_at_once(unhosted: Account) -> None:
    unhosted.create(count=2)
    assert (unhosted.status, unhosted.counts) == ("InService", (2, 2))
    unhosted.scale(0)
    assert (unhosted.status, unhosted.counts) == ("InService", (0, 0))
    config = unhosted.make_config(2)
    unhosted.update(config)
    assert unhosted.described["EndpointConfigName"] == config
    assert (unhosted.status, unhosted.counts) == ("InService", (1, 1))


def test_what_a_hosting_leaves_unfinished_holds_once_it_is_gone(account: Account) -> None:
    account.create()
    account.plane.tell("hosting", {"is_here": False})
    assert (account.status, account.counts) == ("InService", (1, 1))


def test_an_endpoint_is_creating_until_all_its_instances_are_in_service(account: Account) -> None:
    config = account.create(count=2)
    assert account.status == "Creating"
    assert "ProductionVariants" not in account.described
    pending = account.described["PendingDeploymentSummary"]
    assert (pending["EndpointConfigName"], pending["ProductionVariants"][0]["DesiredInstanceCount"]) == (
        config,
        2,
    )
    assert account.report(None, 0) == account.report(config, 1) == "Creating"
    assert account.report(config, 2) == "InService"
    described = account.described
    assert (described["EndpointStatus"], account.counts) == ("InService", (2, 2))
    assert described["AsyncInferenceConfig"]["OutputConfig"]["S3OutputPath"] == "s3://art/1"
    assert "PendingDeploymentSummary" not in described


def test_an_endpoint_that_cannot_be_brought_up_has_failed_and_can_only_be_deleted(account: Account) -> None:
    config = account.create()
    assert account.report(None, 0, failed_config=config, reason="no pack " + "x" * 2000) == "Failed"
    assert account.described["FailureReason"].startswith("no pack xxx")
    assert len(account.described["FailureReason"]) == 1024
    words = f'Endpoint "{arn_of(account)}" is Failed: it can only be deleted.'
    assert refusal(account.scale, 1) == refusal(account.update, config) == ("ValidationException", words)
    account.delete()
    assert refusal(account.delete)[0] == "ValidationException"


def test_a_new_configuration_is_taken_over_once_it_is_in_service(account: Account) -> None:
    first = account.create()
    account.report(first, 1)
    second = account.make_config(2, count=3)
    account.update(second)
    assert (account.status, account.counts) == ("Updating", (1, 1))
    assert account.described["EndpointConfigName"] == first
    assert account.described["PendingDeploymentSummary"]["EndpointConfigName"] == second
    assert account.report(first, 1) == account.report(second, 2) == "Updating"
    assert account.report(second, 3) == "InService"
    described = account.described
    assert (described["EndpointConfigName"], account.counts) == (second, (3, 3))
    assert described["AsyncInferenceConfig"]["OutputConfig"]["S3OutputPath"] == "s3://art/2"


def test_an_update_that_fails_is_rolled_back_and_says_why(account: Account) -> None:
    first = account.create()
    account.report(first, 1)
    second = account.make_config(2)
    account.update(second)
    assert account.report(first, 1, failed_config=second, reason="the container exited") == "InService"
    described = account.described
    assert (described["EndpointConfigName"], described["FailureReason"]) == (first, "the container exited")
    assert account.counts == (1, 1)
    account.update(second)
    assert "FailureReason" not in account.described
    assert account.report(second, 1) == "InService"


@pytest.mark.parametrize(
    ("parameters", "desired"),
    [
        ({}, 1),
        ({"RetainAllVariantProperties": True}, 4),
        (
            {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredInstanceCount"}],
            },
            1,
        ),
        (
            {
                "RetainDeploymentConfig": False,
                "DeploymentConfig": {
                    "BlueGreenUpdatePolicy": {
                        "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
                    }
                },
            },
            1,
        ),
    ],
)
def test_an_update_keeps_the_instance_count_when_it_is_told_to(
    account: Account, parameters: dict[str, Any], desired: int
) -> None:
    first = account.create()
    account.report(first, 1)
    account.scale(4)
    account.report(first, 4)
    account.update(account.make_config(2), **parameters)
    (variant,) = account.described["PendingDeploymentSummary"]["ProductionVariants"]
    assert variant["DesiredInstanceCount"] == desired


def test_a_count_of_zero_is_kept_and_needs_no_instance(account: Account) -> None:
    first = account.create()
    account.report(first, 1)
    account.scale(0)
    account.report(first, 0)
    second = account.make_config(2)
    account.update(second, RetainAllVariantProperties=True)
    assert account.report(second, 0) == "InService"
    assert account.counts == (0, 0)


def test_a_capacity_is_taken_up_while_the_endpoint_is_updating(account: Account) -> None:
    config = account.create()
    account.report(config, 1)
    account.scale(3)
    assert (account.status, account.counts) == ("Updating", (1, 3))
    assert account.report(config, 2) == "Updating"
    assert account.report(config, 3) == "InService"
    account.scale(0)
    assert account.report(config, 0) == "InService"
    account.scale(0)
    assert (account.status, account.counts) == ("InService", (0, 0))


def test_a_capacity_that_cannot_be_had_goes_back_to_what_it_was(account: Account) -> None:
    config = account.create()
    account.report(config, 1)
    account.scale(3)
    assert account.report(config, 1, failed_config=config, reason="out of memory") == "InService"
    assert (account.counts, account.described["FailureReason"]) == ((1, 1), "out of memory")


def test_an_instance_that_is_lost_shows_in_the_current_count_alone(account: Account) -> None:
    config = account.create()
    account.report(config, 1)
    assert account.report(config, 0, failed_config=config, reason="exited") == "InService"
    assert (account.counts, "FailureReason" in account.described) == ((0, 1), False)


def test_nothing_is_changed_while_the_endpoint_is_in_progress(account: Account) -> None:
    first = account.create()
    second = account.make_config(2)
    words = ("ValidationException", f'Cannot update in-progress endpoint "{arn_of(account)}".')
    assert refusal(account.delete) == refusal(account.scale, 2) == refusal(account.update, second) == words
    account.report(first, 1)
    account.update(second)
    assert refusal(account.delete) == refusal(account.scale, 2) == refusal(account.update, first) == words
    account.report(second, 1)
    account.delete()


def test_what_does_not_exist_is_named(account: Account) -> None:
    sagemaker = account.sagemaker
    nothing = f"arn:aws:sagemaker:eu-central-1:123456789012:endpoint-config/{account.name}-9"
    words = f'Could not find endpoint configuration "{nothing}".'
    names = {"EndpointName": account.name, "EndpointConfigName": f"{account.name}-9"}
    assert refusal(sagemaker.create_endpoint, **names) == ("ValidationException", words)
    missing = ("ValidationException", f'Could not find endpoint "{arn_of(account)}".')
    assert refusal(sagemaker.update_endpoint, **names) == refusal(account.scale, 1) == missing
    account.report(account.create(), 1)
    assert refusal(sagemaker.update_endpoint, **names) == ("ValidationException", words)


def test_a_variant_that_does_not_exist_cannot_be_scaled(account: Account) -> None:
    account.report(account.create(), 1)
    wishes = [{"VariantName": "cpu", "DesiredInstanceCount": 1}]
    code, message = refusal(
        account.sagemaker.update_endpoint_weights_and_capacities,
        EndpointName=account.name,
        DesiredWeightsAndCapacities=wishes,
    )
    assert (code, '"cpu" is/are not present' in message) == ("ValidationException", True)


def test_no_name_is_taken_twice(account: Account) -> None:
    config = account.create()
    with pytest.raises(
        ClientError, match=r'Cannot create already existing model "arn:aws:sagemaker:[^"]*"\.'
    ):
        account.make_config()
    variants = account.sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    again = {"EndpointConfigName": config, "ProductionVariants": variants}
    with pytest.raises(ClientError, match="already existing endpoint configuration"):
        account.sagemaker.create_endpoint_config(**again)
    words = f'Cannot create already existing endpoint "{arn_of(account)}".'
    both = {"EndpointName": account.name, "EndpointConfigName": config}
    assert refusal(account.sagemaker.create_endpoint, **both) == ("ValidationException", words)


def test_a_quota_is_the_limit_of_what_all_endpoints_want_together(account: Account) -> None:
    kind = "ml.g6e.xlarge"
    account.plane.set_quota(kind, 0)
    assert refusal(account.create, instance_type=kind) == (
        "ResourceLimitExceeded",
        f"The account-level service limit '{kind} for endpoint usage' is 0 Instances, with current "
        "utilization of 0 Instances and a request delta of 1 Instances. Please use AWS Service Quotas to "
        "request an increase for this quota. If AWS Service Quotas is not available, contact AWS support to "
        "request an increase for this quota.",
    )
    account.plane.set_quota(kind, 3)
    config = f"{account.name}-1"
    account.sagemaker.create_endpoint(EndpointName=account.name, EndpointConfigName=config)
    account.report(config, 1)
    account.scale(3)
    account.report(config, 3)
    code, message = refusal(account.scale, 4)
    assert code == "ResourceLimitExceeded"
    assert "current utilization of 3 Instances and a request delta of 1 Instances" in message
    another = Account(account.plane)
    assert refusal(another.create, instance_type=kind)[0] == "ResourceLimitExceeded"
    account.update(account.make_config(2, kind), RetainAllVariantProperties=True)
    account.report(f"{account.name}-2", 3)
    another.make_config(2, kind, count=2)
    account.scale(1)
    both = {"EndpointName": another.name, "EndpointConfigName": f"{another.name}-2"}
    another.sagemaker.create_endpoint(**both)


def test_a_report_on_an_endpoint_that_is_gone_changes_nothing(account: Account) -> None:
    config = account.create()
    document = {"created_at": 0.0, "config": config, "instances": 1}
    assert account.plane.tell(f"endpoints/{account.name}", document) == {"status": None}
    assert account.plane.tell("endpoints/nobody", document) == {"status": None}
    assert account.status == "Creating"


def test_only_the_administrator_may_use_our_routes(account: Account) -> None:
    url = f"{account.plane.endpoint_url}/_local/quotas/ml.g5.xlarge"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(url, b"{}", method="PUT"))
    iam = account.plane.client("iam")
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    iam.create_user(UserName=account.name)
    iam.put_user_policy(UserName=account.name, PolicyName="all", PolicyDocument=policy)
    key = iam.create_access_key(UserName=account.name)["AccessKey"]
    keys = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    with pytest.raises(StackError, match=r"403: .*only the administrator"):
        PrivateRoutes(account.plane.endpoint_url, keys, "eu-central-1").put("hosting", {"is_here": True})


def test_a_report_that_cannot_be_read_is_refused(account: Account) -> None:
    for path, document in (("endpoints/sd", {"instances": 1}), ("nonsense", {}), ("hosting", {})):
        with pytest.raises(StackError, match="400"):
            account.plane.tell(path, document)


def test_a_scalable_target_keeps_its_variant_and_its_instance_type(account: Account) -> None:
    config = account.create()
    account.report(config, 1)
    account.register()
    other_type = account.make_config(2, "ml.g6.xlarge")
    code, message = refusal(account.update, other_type)
    assert (code, "must be deregistered as scalable targets" in message) == ("ValidationException", True)
    account.update(account.make_config(3))
    account.report(f"{account.name}-3", 1)
    place = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{account.name}/variant/gpu",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    account.autoscaling.deregister_scalable_target(**place)
    account.update(other_type)


def test_a_deleted_endpoint_leaves_no_target_and_no_policy(account: Account) -> None:
    account.report(account.create(), 1)
    account.register()
    account.delete()
    mine = f"endpoint/{account.name}/variant/gpu"
    service = {"ServiceNamespace": "sagemaker"}
    targets = account.autoscaling.describe_scalable_targets(**service)["ScalableTargets"]
    policies = account.autoscaling.describe_scaling_policies(**service)["ScalingPolicies"]
    assert mine not in {each["ResourceId"] for each in targets + policies}


def test_a_policy_that_is_put_again_keeps_its_arn(account: Account) -> None:
    account.report(account.create(), 1)
    arn = account.register()
    assert account.register(adjustment=2) == arn


def test_what_does_not_exist_is_no_target_and_gets_no_policy(account: Account) -> None:
    code, message = refusal(account.register)
    assert (code, f"endpoint/{account.name}/variant/gpu" in message) == ("ValidationException", True)
    account.create()
    policy = scaling_requests(Scaling(0, 1, steps=(StepScaling("s"),)), account.name, "gpu").policies[0]
    code, message = refusal(account.autoscaling.put_scaling_policy, **policy)
    assert (code, "No scalable target registered" in message) == ("ObjectNotFoundException", True)
