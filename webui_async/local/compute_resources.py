"""Resource types that moto only records and the local stack runs itself: functions, events, the API."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

from webui_async.local.deployed import ApiKey, EventSource, Function, Schedule, UsagePlan
from webui_async.local.errors import TemplateError
from webui_async.local.intrinsics import Made
from webui_async.local.makers import Builder, Makers, Properties
from webui_async.local.openapi_body import read_api, read_response

MAKERS = Makers()
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}


@MAKERS.of(
    "AWS::Lambda::Function",
    "FunctionName Handler Role Timeout MemorySize Environment ReservedConcurrentExecutions",
    ignored="Code Runtime Layers Architectures LoggingConfig TracingConfig EphemeralStorage PackageType",
)
def make_function(builder: Builder, name: str, properties: Properties) -> Made:
    function = builder.named(properties.get("FunctionName"), name)
    arn = builder.arn("lambda", f"function:{function}")
    reserved = properties.get("ReservedConcurrentExecutions")
    variables = properties.get("Environment", {}).get("Variables", {})
    builder.deployed.functions[name] = Function(
        name=function,
        arn=arn,
        handler=properties["Handler"],
        code_dir=builder.code_dirs[name],
        role_arn=properties["Role"],
        environment={key: str(value) for key, value in variables.items()},
        timeout_s=float(properties.get("Timeout", 3)),
        memory_mb=int(properties.get("MemorySize", 128)),
        concurrency=None if reserved is None else int(reserved),
    )
    return Made(function, {"Arn": arn})


def _function_name(reference: str) -> str:
    """The name in a function's ARN, which may carry a version; a name stays what it is."""
    return reference.split(":")[6] if reference.startswith("arn:") else reference


@MAKERS.of(
    "AWS::Lambda::EventSourceMapping",
    "FunctionName EventSourceArn BatchSize FunctionResponseTypes Enabled ScalingConfig",
)
def make_event_source(builder: Builder, name: str, properties: Properties) -> Made:
    queue_arn = properties["EventSourceArn"]
    if ":sqs:" not in queue_arn:
        raise TemplateError(f"{name} reads {queue_arn}; the local stack reads SQS queues only")
    if _is_on(properties.get("Enabled", True)):
        concurrency = properties.get("ScalingConfig", {}).get("MaximumConcurrency")
        builder.deployed.event_sources[name] = EventSource(
            name=name,
            queue_arn=queue_arn,
            function_name=_function_name(properties["FunctionName"]),
            batch_size=int(properties.get("BatchSize", 10)),
            reports_failures="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", []),
            concurrency=None if concurrency is None else int(concurrency),
        )
    return Made(builder.named(None, name))


def _is_on(value: Any) -> bool:
    return str(value).lower() == "true"


@MAKERS.of("AWS::Events::Rule", "Name ScheduleExpression State Targets")
def make_rule(builder: Builder, name: str, properties: Properties) -> Made:
    rule = builder.named(properties.get("Name"), name)
    arn = builder.arn("events", f"rule/{rule}")
    match = _RATE.fullmatch(properties.get("ScheduleExpression", ""))
    if match is None:
        raise TemplateError(
            f"{name} has the schedule {properties.get('ScheduleExpression')!r}; the local stack knows rate(…)"
        )
    if properties.get("State", "ENABLED") == "ENABLED":
        for target in properties.get("Targets", []):
            given = json.loads(target["Input"]) if "Input" in target else None
            period_s = float(match[1]) * _SECONDS[match[2]]
            builder.deployed.schedules[name] = Schedule(
                name, arn, _function_name(target["Arn"]), period_s, given
            )
    return Made(rule, {"Arn": arn})


# The API --------------------------------------------------------------------------------------------------


@MAKERS.of(
    "AWS::ApiGateway::RestApi",
    "Name Body BinaryMediaTypes",
    ignored="EndpointConfiguration Parameters FailOnWarnings MinimumCompressionSize ApiKeySourceType",
)
def make_rest_api(builder: Builder, name: str, properties: Properties) -> Made:
    api_id = f"{builder.stack}-{name}".lower()
    types = tuple(text.replace("~1", "/") for text in properties.get("BinaryMediaTypes", []))
    builder.deployed.apis[api_id] = read_api(api_id, properties.get("Body", {}), types)
    return Made(api_id, {"RestApiId": api_id, "RootResourceId": "root"})


@MAKERS.of(
    "AWS::ApiGateway::GatewayResponse",
    "RestApiId ResponseType StatusCode ResponseParameters ResponseTemplates",
)
def make_gateway_response(builder: Builder, name: str, properties: Properties) -> Made:
    api = builder.deployed.apis[properties["RestApiId"]]
    response = {properties["ResponseType"]: read_response(properties)}
    builder.deployed.apis[api.id] = type(api)(
        api.id, api.routes, {**api.responses, **response}, api.binary_types
    )
    return Made(builder.named(None, name))


@MAKERS.of(
    "AWS::ApiGateway::Stage",
    "RestApiId StageName",
    ignored="DeploymentId MethodSettings TracingEnabled AccessLogSetting Variables",
)
def make_stage(builder: Builder, name: str, properties: Properties) -> Made:
    builder.deployed.stages[properties["StageName"]] = properties["RestApiId"]
    return Made(properties["StageName"])


@MAKERS.of("AWS::ApiGateway::ApiKey", "Name Enabled Value", ignored="StageKeys GenerateDistinctId")
def make_api_key(builder: Builder, name: str, properties: Properties) -> Made:
    value = properties.get("Value") or secrets.token_urlsafe(30)
    label, is_enabled = properties.get("Name", name), _is_on(properties.get("Enabled", False))
    # The control plane has it too, for whoever asks by the stack's output for the key's value.
    made = builder.plane.client("apigateway").create_api_key(name=label, enabled=is_enabled, value=value)
    key = ApiKey(made["id"], label, value, is_enabled)
    builder.deployed.api_keys[key.id] = key
    return Made(key.id, {"APIKeyId": key.id})


@MAKERS.of("AWS::ApiGateway::UsagePlan", "Throttle Quota", ignored="UsagePlanName ApiStages")
def make_usage_plan(builder: Builder, name: str, properties: Properties) -> Made:
    throttle, quota = properties.get("Throttle", {}), properties.get("Quota", {})
    plan = UsagePlan(builder.named(None, name))
    plan.rate_per_s = float(throttle["RateLimit"]) if "RateLimit" in throttle else None
    plan.burst = float(throttle["BurstLimit"]) if "BurstLimit" in throttle else plan.rate_per_s
    plan.quota = int(quota["Limit"]) if "Limit" in quota else None
    plan.quota_period = quota.get("Period", "DAY")
    builder.deployed.usage_plans[plan.id] = plan
    return Made(plan.id, {"Id": plan.id})


@MAKERS.of("AWS::ApiGateway::UsagePlanKey", "KeyId UsagePlanId", ignored="KeyType")
def make_usage_plan_key(builder: Builder, name: str, properties: Properties) -> Made:
    builder.deployed.usage_plans[properties["UsagePlanId"]].key_ids.add(properties["KeyId"])
    return Made(builder.named(None, name))


# On one machine these have nothing to do: whoever is invoked is invoked by us.


@MAKERS.of("AWS::Lambda::Permission", ignored="Action FunctionName Principal SourceArn SourceAccount")
@MAKERS.of(
    "AWS::Lambda::EventInvokeConfig", ignored="FunctionName Qualifier MaximumRetryAttempts DestinationConfig"
)
@MAKERS.of("AWS::ApiGateway::Deployment", ignored="RestApiId StageName")
@MAKERS.of("AWS::ApiGateway::Account", ignored="CloudWatchRoleArn")
def make_nothing(builder: Builder, name: str, _properties: Properties) -> Made:
    return Made(builder.named(None, name))
