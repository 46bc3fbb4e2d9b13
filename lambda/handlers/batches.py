"""SQS batches: each record on its own, and only the failed ones come again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    ExceptionInfo,
    FailureResponse,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from handlers.logs import logger
from webui_async.contract.errors import PipelineError


class _Processor(BatchProcessor):
    """The handler's edge: a record that fails is logged and reported, whatever the reason."""

    def failure_handler(self, record: Any, exception: ExceptionInfo) -> FailureResponse:
        error = exception[1]
        known = isinstance(error, PipelineError)
        logger().warning(
            "record failed",
            message_id=record.message_id,
            receive_count=record.attributes.approximate_receive_count,
            error=str(error) if known else type(error).__name__,
            exc_info=None if known else error,
        )
        return super().failure_handler(record, exception)


def process_records(event: dict[str, Any], context: Any, handle: Callable[[SQSRecord], None]) -> Any:
    """What Lambda wants to hear of the batch: `{"batchItemFailures": [...]}`."""
    # A batch that failed as a whole is reported the same way: an error would hide which records it had.
    processor = _Processor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event, handle, processor, context)
