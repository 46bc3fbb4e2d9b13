"""The small stack's API: writes an object where its role may, or does what the query asks for."""

import json
import os
import time

import boto3

s3 = boto3.client("s3")


def handler(event, context):
    query = event["queryStringParameters"] or {}
    print(query.get("say", ""), flush=True)
    if "sleep" in query:
        time.sleep(float(query["sleep"]))
    if "exit" in query:
        os._exit(3)
    if "raise" in query:
        raise ValueError("asked for")
    if event["httpMethod"] == "POST":
        print("writing", event["path"])
        key = f"{query.get('prefix', 'jobs')}/{event['pathParameters']['id']}/result.json"
        s3.put_object(Bucket=os.environ["BUCKET"], Key=key, Body=b"{}", IfNoneMatch="*")
    return {"statusCode": 200, "body": json.dumps({"left_ms": context.get_remaining_time_in_millis()})}
