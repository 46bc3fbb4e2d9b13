"""Every event of the road a second time, out of order: what S3, SNS and SQS are allowed to do."""

from __future__ import annotations

import json
import random
import threading
from typing import Any

from webui_async.local.stack import Stack

QUEUE = "mirror"
WINDOW = 20  #: events held back and shuffled


def double_events(stack: Stack, rng: random.Random, over: threading.Event) -> int:
    """How many events were sent again, once `over` is set.

    A second queue gets the same notifications, of the bucket and of SageMaker's error topic; what arrives
    there is put into the events queue, shuffled.
    """
    sqs = stack.cloud.client("sqs")
    mirror = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
    _listen(
        stack,
        sqs.get_queue_attributes(QueueUrl=mirror, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"],
    )
    held: list[str] = []
    doubled = 0
    while not over.is_set():
        answer = sqs.receive_message(QueueUrl=mirror, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        messages = answer.get("Messages", [])
        for message in messages:
            held.append(message["Body"])
            sqs.delete_message(QueueUrl=mirror, ReceiptHandle=message["ReceiptHandle"])
        if len(held) >= WINDOW or (held and not messages):
            rng.shuffle(held)
            for body in held:
                sqs.send_message(QueueUrl=stack.outputs["EventsQueueUrl"], MessageBody=body)
            doubled += len(held)
            held.clear()
    return doubled


def _listen(stack: Stack, queue_arn: str) -> None:
    s3: Any = stack.cloud.client("s3")
    bucket = stack.outputs["BucketName"]
    notifications = s3.get_bucket_notification_configuration(Bucket=bucket)
    notifications.pop("ResponseMetadata")
    copies = [
        dict(entry, Id=f"mirror-{n}", QueueArn=queue_arn) for n, entry in enumerate(_queues(notifications))
    ]
    notifications["QueueConfigurations"] = [*_queues(notifications), *copies]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=notifications)
    policy = {
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": queue_arn}
        ]
    }
    sqs = stack.cloud.client("sqs")
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    sns = stack.cloud.client("sns")
    sns.subscribe(TopicArn=stack.outputs["ErrorTopicArn"], Protocol="sqs", Endpoint=queue_arn)


def _queues(notifications: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = notifications["QueueConfigurations"]
    return found
