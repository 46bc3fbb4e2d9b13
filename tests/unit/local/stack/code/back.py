"""The small stack's worker: leaves `seen/{source}` for every message."""

import json
import os

import boto3

s3 = boto3.client("s3")


def handler(event, context):
    if "Records" not in event:
        return event["detail-type"]
    for record in event["Records"]:
        body = json.loads(record["body"])
        name = (
            body["Records"][0]["s3"]["object"]["key"] if "Records" in body else body.get("Message", "other")
        )
        s3.put_object(Bucket=os.environ["BUCKET"], Key=f"seen/{name}", Body=b"")
    return {"batchItemFailures": []}
