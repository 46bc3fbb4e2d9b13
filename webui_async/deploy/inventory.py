"""What AWS lists of one stack and its endpoint, by the names that the template and the deployer give.

Whole names only: another stack's name may begin with this one's, and nothing of it may be taken for ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from webui_async.deploy import names
from webui_async.deploy.aws_errors import is_absent, told
from webui_async.deploy.clients import Clients

# The names of template.yaml, without the stack's; tests/contract/test_inventory.py holds them to it.
FUNCTIONS = ("submit", "api", "complete", "deliver", "reap")
QUEUES = ("events", "events-dead", "callbacks.fifo", "callbacks-dead.fifo")
TOPICS = ("endings", "sagemaker-success", "sagemaker-errors", "alarms")
ALARMS = ("jobs-failed", "oldest-request", "events-dead", "callbacks-dead")
ROLES = ("SubmitRole", "ApiRole", "CompleteRole", "DeliverRole", "ReapRole", "EndpointRole")
SECRET, API_KEY, SCHEDULE = "callbacks", "first", "ReapFunctionSchedule"
#: Parameters EndpointName and ImageRepository, unless somebody chose others.
ENDPOINT, IMAGE_REPOSITORY = "webui-async", "webui-async-inference"


@dataclass(frozen=True)
class Names:
    """What everything of a stack and its endpoint is called."""

    stack: str
    endpoint: str
    bucket: str
    image_repository: str = IMAGE_REPOSITORY

    def all_of(self, last_parts: tuple[str, ...]) -> set[str]:
        """The names that the template makes of the stack's."""
        return {f"{self.stack}-{part}" for part in last_parts}

    @property
    def log_groups(self) -> set[str]:
        functions = {f"/aws/lambda/{name}" for name in self.all_of(FUNCTIONS)}
        return functions | {names.log_group(self.endpoint)}

    @property
    def image_repositories(self) -> list[str]:
        """The container's and, beside it, the trainer's: what build_and_push.sh makes of one prefix."""
        prefix, dash, last = self.image_repository.rpartition("-")
        return [self.image_repository] + ([f"{prefix}-training"] if dash and last == "inference" else [])


def ours(
    clients: Clients,
    stack: str,
    endpoint: str,
    bucket: str | None = None,
    image_repository: str = IMAGE_REPOSITORY,
) -> list[str]:
    """Everything of ours that AWS lists, one line each, such as `SQS queue webui-async-events`.

    bucket: the stack's, when it has not the name that the template gives by itself.
    Raises NotAllowed, naming the action, when a service may not be asked: an empty list is a promise.
    """
    name = bucket or default_bucket(clients, stack)
    return lines(clients, Names(stack, endpoint, name, image_repository))


def default_bucket(clients: Clients, stack: str) -> str:
    """The bucket that the template makes when nobody names one."""
    with told("sts"):
        account = clients.client("sts").get_caller_identity()["Account"]
    return f"{stack}-{account}-{clients.region}"


def lines(clients: Clients, known: Names) -> list[str]:
    """What is listed of these names, one line each."""
    return [f"{kind} {name}" for kind in FINDERS for name in find(clients, known, kind)]


def find(clients: Clients, known: Names, kind: str) -> list[str]:
    """What is listed of one kind, by name."""
    service, finder = FINDERS[kind]
    with told(service):
        return sorted(finder(clients.client(service), known))


def _paged(client: Any, operation: str, key: str, **request: Any) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**request):
        yield from page.get(key, ())


def _stacks(cloudformation: Any, known: Names) -> Iterator[str]:
    try:
        yield from (
            one["StackName"] for one in cloudformation.describe_stacks(StackName=known.stack)["Stacks"]
        )
    except ClientError as error:
        if not is_absent(error):
            raise


def _buckets(s3: Any, known: Names) -> Iterator[str]:
    # Not HeadBucket: a name is taken worldwide, and this lists the account's own.
    yield from (one["Name"] for one in s3.list_buckets()["Buckets"] if one["Name"] == known.bucket)


def _queues(sqs: Any, known: Names) -> Iterator[str]:
    urls = _paged(sqs, "list_queues", "QueueUrls", QueueNamePrefix=f"{known.stack}-")
    yield from known.all_of(QUEUES) & {url.rpartition("/")[2] for url in urls}


def _topics(sns: Any, known: Names) -> Iterator[str]:
    arns = (topic["TopicArn"] for topic in _paged(sns, "list_topics", "Topics"))
    yield from known.all_of(TOPICS) & {arn.rpartition(":")[2] for arn in arns}


def _subscriptions(sns: Any, known: Names) -> Iterator[str]:
    """Confirmed ones: of others AWS keeps a record without an ARN for days, and nobody can remove it."""
    for one in _paged(sns, "list_subscriptions", "Subscriptions"):
        is_ours = one["TopicArn"].rpartition(":")[2] in known.all_of(TOPICS)
        if is_ours and one["SubscriptionArn"].startswith("arn:"):
            yield one["SubscriptionArn"]


def _roles(iam: Any, known: Names) -> Iterator[str]:
    # CloudFormation adds letters of its own to the name.
    ours_too = re.compile(rf"{re.escape(known.stack)}-(?:{'|'.join(ROLES)})(?:-[A-Za-z0-9]+)?")
    roles = (role["RoleName"] for role in _paged(iam, "list_roles", "Roles"))
    yield from (role for role in roles if ours_too.fullmatch(role))


def _secrets(secretsmanager: Any, known: Names) -> Iterator[str]:
    wanted = f"{known.stack}-{SECRET}"
    listed = _paged(
        secretsmanager,
        "list_secrets",
        "SecretList",
        IncludePlannedDeletion=True,
        Filters=[{"Key": "name", "Values": [wanted]}],
    )
    yield from (secret["Name"] for secret in listed if secret["Name"] == wanted)


def _alarms(cloudwatch: Any, known: Names) -> Iterator[str]:
    wanted = sorted({*known.all_of(ALARMS), f"{known.endpoint}-from-zero"})
    yield from (one["AlarmName"] for one in cloudwatch.describe_alarms(AlarmNames=wanted)["MetricAlarms"])
    # Application Auto Scaling makes these itself for a target tracking policy.
    prefix = f"TargetTracking-{names.resource_id(known.endpoint)}-"
    tracking = _paged(cloudwatch, "describe_alarms", "MetricAlarms", AlarmNamePrefix=prefix)
    yield from (one["AlarmName"] for one in tracking)


def _log_groups(logs: Any, known: Names) -> Iterator[str]:
    for prefix in (f"/aws/lambda/{known.stack}-", names.log_group(known.endpoint)):
        groups = _paged(logs, "describe_log_groups", "logGroups", logGroupNamePrefix=prefix)
        yield from known.log_groups & {group["logGroupName"] for group in groups}


def _repositories(ecr: Any, known: Names) -> Iterator[str]:
    for name in known.image_repositories:
        try:
            ecr.describe_repositories(repositoryNames=[name])
        except ClientError as error:
            if not is_absent(error):
                raise
        else:
            yield name


def _functions(lambda_: Any, known: Names) -> Iterator[str]:
    functions = (one["FunctionName"] for one in _paged(lambda_, "list_functions", "Functions"))
    yield from known.all_of(FUNCTIONS) & set(functions)


def _apis(apigateway: Any, known: Names) -> Iterator[str]:
    yield from (
        api["name"] for api in _paged(apigateway, "get_rest_apis", "items") if api["name"] == known.stack
    )


def _api_keys(apigateway: Any, known: Names) -> Iterator[str]:
    wanted = f"{known.stack}-{API_KEY}"
    listed = _paged(apigateway, "get_api_keys", "items", nameQuery=wanted)
    yield from (key["name"] for key in listed if key["name"] == wanted)


def _usage_plans(apigateway: Any, known: Names) -> Iterator[str]:
    plans = _paged(apigateway, "get_usage_plans", "items")
    yield from (plan["name"] for plan in plans if plan.get("name") == known.stack)


def _schedules(events: Any, known: Names) -> Iterator[str]:
    rules = _paged(events, "list_rules", "Rules", NamePrefix=f"{known.stack}-{SCHEDULE}")
    yield from (rule["Name"] for rule in rules)


def _endpoints(sagemaker: Any, known: Names) -> Iterator[str]:
    listed = _paged(sagemaker, "list_endpoints", "Endpoints", NameContains=known.endpoint)
    yield from (one["EndpointName"] for one in listed if one["EndpointName"] == known.endpoint)


def _made_for(known: Names, listed: Iterator[str]) -> Iterator[str]:
    yield from (one for one in listed if one == known.endpoint or names.is_addressed(known.endpoint, one))


def _endpoint_configs(sagemaker: Any, known: Names) -> Iterator[str]:
    part = names.common_part(known.endpoint)
    listed = _paged(sagemaker, "list_endpoint_configs", "EndpointConfigs", NameContains=part)
    return _made_for(known, (one["EndpointConfigName"] for one in listed))


def _models(sagemaker: Any, known: Names) -> Iterator[str]:
    part = names.common_part(known.endpoint)
    listed = _paged(sagemaker, "list_models", "Models", NameContains=part)
    return _made_for(known, (one["ModelName"] for one in listed))


def _scalable_targets(autoscaling: Any, known: Names) -> Iterator[str]:
    wanted = {"ServiceNamespace": "sagemaker", "ResourceIds": [names.resource_id(known.endpoint)]}
    targets = _paged(autoscaling, "describe_scalable_targets", "ScalableTargets", **wanted)
    yield from (target["ResourceId"] for target in targets)


Finder = Callable[[Any, Names], Iterator[str]]
#: Kind -> the service that lists it, as boto3 calls it, and how.
FINDERS: dict[str, tuple[str, Finder]] = {
    "CloudFormation stack": ("cloudformation", _stacks),
    "S3 bucket": ("s3", _buckets),
    "SQS queue": ("sqs", _queues),
    "SNS topic": ("sns", _topics),
    "SNS subscription": ("sns", _subscriptions),
    "IAM role": ("iam", _roles),
    "secret": ("secretsmanager", _secrets),
    "CloudWatch alarm": ("cloudwatch", _alarms),
    "log group": ("logs", _log_groups),
    "ECR repository": ("ecr", _repositories),
    "Lambda function": ("lambda", _functions),
    "REST API": ("apigateway", _apis),
    "API key": ("apigateway", _api_keys),
    "usage plan": ("apigateway", _usage_plans),
    "schedule": ("events", _schedules),
    "SageMaker endpoint": ("sagemaker", _endpoints),
    "endpoint configuration": ("sagemaker", _endpoint_configs),
    "SageMaker model": ("sagemaker", _models),
    "scalable target": ("application-autoscaling", _scalable_targets),
}
