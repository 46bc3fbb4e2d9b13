"""local/signatures.py against botocore, which signs."""

import datetime
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from webui_async.local.signatures import HttpRequest, is_over, is_signed_by, read_signature

SECRET = "wJalrXUtnFEMI"
KEYS = {"aws_access_key_id": "AKIA1", "aws_secret_access_key": SECRET, "aws_session_token": "token"}


def signed_post(body=b"Action=Publish&Message=a+b", path="/a b"):
    request = AWSRequest(
        "POST", f"http://127.0.0.1:5000{path}", data=body, headers={"Host": "127.0.0.1:5000"}
    )
    SigV4Auth(Credentials("AKIA1", SECRET, "token"), "sns", "eu-central-1").add_auth(request)
    headers = {name.lower(): str(value) for name, value in request.headers.items()}
    return HttpRequest("POST", urlsplit(request.url).path.replace(" ", "%20"), "", headers, body)


def presigned(**parameters):
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    s3 = boto3.client("s3", endpoint_url="http://127.0.0.1:5000", config=config, **KEYS)
    url = s3.generate_presigned_url(
        "put_object", {"Bucket": "art", "Key": "a b/ü.png"} | parameters, ExpiresIn=60
    )
    return HttpRequest("PUT", urlsplit(url).path, urlsplit(url).query, {"host": "127.0.0.1:5000"})


def test_a_signed_request_is_its_signers():
    request = signed_post(path="/")
    signature = read_signature(request)
    assert (signature.access_key_id, signature.service, signature.session_token) == ("AKIA1", "sns", "token")
    assert is_signed_by(request, signature, SECRET)
    assert not is_signed_by(request, signature, SECRET + "x")


@pytest.mark.parametrize(
    "change", [{"body": b"Action=Delete"}, {"path": "/other"}, {"method": "PUT"}, {"query": "a=1"}]
)
def test_a_changed_request_is_not(change):
    request = signed_post(path="/")
    altered = HttpRequest(**{**vars(request), **change})
    assert not is_signed_by(altered, read_signature(altered), SECRET)


def test_a_presigned_link_is_its_signers_until_it_is_over():
    request = presigned()
    signature = read_signature(request)
    assert is_signed_by(request, signature, SECRET)
    signed_at = datetime.datetime.strptime(signature.timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    assert not is_over(signature, signed_at.timestamp() + 59)
    assert is_over(signature, signed_at.timestamp() + 61)


def test_a_presigned_link_binds_the_headers_it_names():
    request = presigned(ContentType="image/png", ContentLength=3)
    right = {"content-type": "image/png", "content-length": "3"}
    for headers, holds in ((right, True), (right | {"content-length": "4"}, False), ({}, False)):
        asked = HttpRequest("PUT", request.path, request.query, {**request.headers, **headers})
        assert is_signed_by(asked, read_signature(asked), SECRET) is holds


def test_an_unsigned_request_has_no_signature():
    assert read_signature(HttpRequest("GET", "/art/a.png", "", {})) is None
    assert read_signature(HttpRequest("GET", "/", "", {"authorization": "Basic abc"})) is None
    assert read_signature(HttpRequest("GET", "/", "X-Amz-Signature=0&X-Amz-Credential=a", {})) is None
