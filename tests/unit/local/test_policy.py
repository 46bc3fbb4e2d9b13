"""local/policy.py: what IAM says of a call."""

import pytest

from webui_async.local.errors import TemplateError
from webui_async.local.policy import Call, Principal, Verdict, judge

ART = "arn:aws:s3:::art/jobs/1/result.json"


def document(**statement):
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"} | statement],
    }


def verdict(*documents, action="s3:PutObject", resource=ART, principal=None, **context):
    return judge(documents, Call(action, resource, context), principal)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("arn:aws:s3:::art/jobs/*", True),
        ("arn:aws:s3:::art/jobs/?/result.json", True),
        ("arn:aws:s3:::art/jobs", False),
        ("arn:aws:s3:::art.jobs/*", False),
        (["arn:aws:s3:::other", ART], True),
    ],
)
def test_a_resource_pattern_matches_the_whole_arn(pattern, matches):
    assert (verdict(document(Resource=pattern)) is Verdict.ALLOWED) is matches


def test_actions_are_matched_whatever_their_case():
    assert verdict(document(Action="S3:putobject")) is Verdict.ALLOWED


def test_what_no_statement_names_is_silent():
    assert verdict(document(Action="s3:GetObject")) is Verdict.SILENT
    assert verdict() is Verdict.SILENT


def test_an_explicit_deny_outweighs_every_allow():
    assert verdict(document(), document(Effect="Deny", Action="s3:PutObject")) is Verdict.DENIED


def test_not_action_matches_all_other_actions():
    assert verdict(document(Action=None) | {}) is Verdict.SILENT
    everything_but = {"Statement": {"Effect": "Allow", "NotAction": "s3:Delete*", "Resource": "*"}}
    assert verdict(everything_but) is Verdict.ALLOWED
    assert verdict(everything_but, action="s3:DeleteObject") is Verdict.SILENT


@pytest.mark.parametrize(
    ("condition", "context", "holds"),
    [
        ({"StringLike": {"s3:prefix": ["jobs/*", "active/*"]}}, {"s3:prefix": "active/"}, True),
        ({"StringLike": {"s3:prefix": "jobs/*"}}, {"s3:prefix": "uploads/"}, False),
        ({"StringLike": {"s3:prefix": "jobs/*"}}, {}, False),
        ({"StringLikeIfExists": {"s3:prefix": "jobs/*"}}, {}, True),
        ({"StringNotEquals": {"s3:prefix": "jobs/"}}, {}, True),
        ({"StringNotEquals": {"s3:prefix": ["a", "b"]}}, {"s3:prefix": "b"}, False),
        ({"Null": {"s3:if-none-match": "true"}}, {}, True),
        ({"Null": {"s3:if-none-match": True}}, {"s3:if-none-match": "*"}, False),
        ({"Null": {"s3:if-none-match": "false"}}, {"s3:if-none-match": "*"}, True),
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws:securetransport": "true"}, False),
        ({"NumericLessThanEquals": {"s3:max-keys": "10"}}, {"s3:max-keys": "9"}, True),
        (
            {"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::art*"}},
            {"aws:SourceArn": "arn:aws:s3:::art-2"},
            True,
        ),
        ({"Bool": {"a": "true"}, "StringEquals": {"b": "x"}}, {"a": "true", "b": "y"}, False),
    ],
)
def test_a_condition_holds_as_iam_says(condition, context, holds):
    assert (verdict(document(Condition=condition), **context) is Verdict.ALLOWED) is holds


def test_a_condition_operator_that_is_not_known_is_refused_by_name():
    with pytest.raises(TemplateError, match="IpAddress"):
        verdict(document(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))


@pytest.mark.parametrize(
    ("named", "matches"),
    [
        ("*", True),
        ({"AWS": "arn:aws:iam::123456789012:role/submit"}, True),
        ({"AWS": ["123456789012"]}, True),
        ({"AWS": "arn:aws:iam::999999999999:root"}, False),
        ({"Service": "lambda.amazonaws.com"}, False),
    ],
)
def test_a_resource_policy_names_its_principals(named, matches):
    caller = Principal("AWS", "arn:aws:iam::123456789012:role/submit")
    assert (verdict(document(Principal=named), principal=caller) is Verdict.ALLOWED) is matches
