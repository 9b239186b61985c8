"""Classifies a BatchWriteItem response as accepted, throttled, retryable or fatal.

Error codes and how to handle them: "Error handling with DynamoDB", Developer Guide.
"""

import json
import random
from collections.abc import Sequence
from typing import NamedTuple

from botocore.exceptions import ClientError

from ingestion.dynamodb.requests import request_json

TAKEN = b'{"UnprocessedItems":{}}'
_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "LimitExceededException",
    "ReplicatedWriteConflictException",  # global tables: another Region is writing the item
}
_INVALID = {
    "ItemCollectionSizeLimitExceededException",
    "SerializationException",
    "ValidationException",
}
"""Errors that a single item can cause, and that refuse the whole batch ("BatchWriteItem", API
Reference)."""
_WITHOUT_VALUES = {
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "ResourceNotFoundException",
    "UnrecognizedClientException",
}
"""Errors whose texts only concern the caller or the table. All others may quote what was sent."""

_FIRST_PAUSE_SECONDS = 0.05
_MAX_PAUSE_SECONDS = 5.0
_MAX_FAULTS = 6  # server faults or broken connections in a row


class Answer(NamedTuple):
    """A classified response. `left` are the requests (JSON) still to send; empty if accepted."""

    left: Sequence[bytes]
    throttled: bool = False
    fault: bool = False
    invalid: str = ""
    """The error code if DynamoDB refuses the batch because of its contents."""


def read_answer(status: int, body: bytes, requests: Sequence[bytes], table: str) -> Answer:
    """Classifies the response to a batch.

    `status` is 0 if there was no response. Then the batch may or may not have been accepted, and
    it is safe to send it again. Raises botocore's ClientError for errors that a retry can't fix.
    """
    if status == 200 and body == TAKEN:
        return Answer(())
    try:
        answer = json.loads(body) if status else {}
    except ValueError:
        answer = None
    if not status or status >= 500 or not isinstance(answer, dict):
        return Answer(requests, fault=True)
    if status == 200:
        left = answer.get("UnprocessedItems", {}).get(table, [])
        return Answer([request_json(one) for one in left], throttled=bool(left))
    code = str(answer.get("__type", "")).rpartition("#")[2]
    if code in _THROTTLED:
        return Answer(requests, throttled=True)
    if code in _INVALID:
        return Answer(requests, invalid=code)
    raise _error(status, code, answer)


def _error(status: int, code: str, answer: dict[str, object]) -> ClientError:
    # DynamoDB's text may quote a value, but our error texts must not contain values of rows.
    text = ""
    if code in _WITHOUT_VALUES:
        text = str(answer.get("message", answer.get("Message", "")))
    return ClientError(
        {
            "Error": {"Code": code or str(status), "Message": text},
            # botocore's type requires more metadata, which is never read.
            "ResponseMetadata": {"HTTPStatusCode": status},  # type: ignore[typeddict-item]  # see above
        },
        "BatchWriteItem",
    )


class Backoff:
    """Decides how long to wait before a batch is sent again: full jitter, doubled each time.

    Source: https://aws.amazon.com/builders-library/ "Timeouts, retries and backoff with jitter".
    """

    def __init__(self) -> None:
        self._pause = _FIRST_PAUSE_SECONDS
        self._faults = 0

    def pause(self, answer: Answer, *, some_taken: bool) -> float | None:
        """Seconds to wait, or None after too many faults in a row."""
        if answer.fault:
            self._faults += 1
            if self._faults > _MAX_FAULTS:
                return None
        else:
            self._faults = 0
        if some_taken:
            self._pause = _FIRST_PAUSE_SECONDS
        pause = random.uniform(0, self._pause)
        self._pause = min(self._pause * 2, _MAX_PAUSE_SECONDS)
        return pause
