"""What an answer to a BatchWriteItem means, and how long to wait after it."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ingestion.dynamodb.responses import Answer, Backoff, read_answer

REQUESTS = [
    b'{"PutRequest":{"Item":{"id":{"S":"a"}}}}',
    b'{"PutRequest":{"Item":{"id":{"S":"b"}}}}',
]


def read(status: Any, body: Any) -> Any:
    return read_answer(status, body, REQUESTS, "Tickets")


def left(*requests: Any, table: str = "Tickets") -> bytes:
    return json.dumps({"UnprocessedItems": {table: [json.loads(one) for one in requests]}}).encode()


def failed(code: Any, **more: Any) -> bytes:
    return json.dumps({"__type": code, **more}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b'{"UnprocessedItems":{}}',
        b'{ "UnprocessedItems": {} }',
        b'{"UnprocessedItems":{},"ConsumedCapacity":[{"TableName":"Tickets","CapacityUnits":2}]}',
        b"{}",
        left(),
    ],
)
def test_taken(body: Any) -> None:
    answer = read(200, body)
    assert (list(answer.left), answer.throttled, answer.fault) == ([], False, False)


def test_some_left() -> None:
    answer = read(200, left(REQUESTS[1]))
    assert [json.loads(one) for one in answer.left] == [json.loads(REQUESTS[1])]
    assert (answer.throttled, answer.fault) == (True, False)


@pytest.mark.parametrize("text", ["é 😀", '"\\\n\x01', "\u2028", "{}%s"])
def test_what_is_left_is_sent_again_as_it_was(text: str) -> None:
    request = json.dumps({"PutRequest": {"Item": {"id": {"S": text}}}}).encode()
    [again] = read(200, left(request)).left
    assert json.loads(again) == json.loads(request)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (0, b"curl 56: reset"),
        (0, b""),
        (0, b'{"UnprocessedItems":{}}'),  # part of an answer is none
        (500, failed("com.amazonaws.dynamodb.v20120810#InternalServerError")),
        (500, b""),
        (502, b"<html>Bad gateway</html>"),
        (503, failed("com.amazon.coral.service#ServiceUnavailableException")),
        (503, b'{"UnprocessedItems":{}}'),
        (200, b""),
        (200, b"<html>Please log in</html>"),
        (200, b'{"UnprocessedItems":{}'),
        (200, b"[]"),
        (200, b"null"),
        (200, b"\xff\xfe"),
        (400, b""),
        (413, b"<html>Too large</html>"),
    ],
)
def test_faults_leave_all_that_was_sent(status: int, body: Any) -> None:
    assert read(status, body) == Answer(REQUESTS, throttled=False, fault=True)


@pytest.mark.parametrize("prefix", ["", "com.amazonaws.dynamodb.v20120810#", "com.amazon.coral#"])
@pytest.mark.parametrize(
    "code",
    [
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "ReplicatedWriteConflictException",
    ],
)
def test_throttled(prefix: str, code: str) -> None:
    answer = read(400, failed(prefix + code, message="Slow down."))
    assert answer == Answer(REQUESTS, throttled=True, fault=False)


@pytest.mark.parametrize(
    "code",
    ["ValidationException", "ItemCollectionSizeLimitExceededException", "SerializationException"],
)
def test_invalid(code: str) -> None:
    answer = read(400, failed(f"a#{code}", message="'Ada' is too long"))
    assert answer == Answer(REQUESTS, invalid=code)


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (400, failed("a#ResourceNotFoundException", message="No table"), None, "No table"),
        (400, failed("a#AccessDeniedException", Message="Not you"), None, "Not you"),
        (400, failed("a#ExpiredTokenException", message="Too late"), None, "Too late"),
        (403, failed("UnrecognizedClientException"), None, ""),
        (400, failed("a#SomethingNewException", message="'Ada' is too long"), None, ""),
        (404, b"{}", "404", ""),
    ],
)
def test_what_no_repetition_cures_is_raised_with_its_code(
    status: int, body: Any, code: str | None, message: str
) -> None:
    with pytest.raises(ClientError) as raised:
        read(status, body)
    error = raised.value.response
    expected = code or json.loads(body)["__type"].rpartition("#")[2]
    assert (error["Error"]["Code"], error["Error"]["Message"]) == (expected, message)
    assert error["ResponseMetadata"]["HTTPStatusCode"] == status
    assert raised.value.operation_name == "BatchWriteItem"


# ---------------------------------------------------------------- backoff

FAULT = Answer(REQUESTS, fault=True)
THROTTLED = Answer(REQUESTS, throttled=True)


@pytest.fixture
def longest_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda shortest, longest: longest)


def test_pauses_double_up_to_five_seconds(longest_pauses: Any) -> None:
    backoff = Backoff()
    pauses = [backoff.pause(THROTTLED, some_taken=False) for _ in range(9)]
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_pauses_start_anew_once_something_was_taken(longest_pauses: Any) -> None:
    backoff = Backoff()
    taken = [False, False, True, False, True, True]
    pauses = [backoff.pause(THROTTLED, some_taken=one) for one in taken]
    assert pauses == [0.05, 0.1, 0.05, 0.1, 0.05, 0.05]


def test_pauses_are_anything_from_none_to_the_longest() -> None:
    """Full jitter: of many first pauses there are some in each tenth."""
    pauses = [Backoff().pause(THROTTLED, some_taken=False) for _ in range(1_000)]
    assert {int((pause or 0) / 0.005) for pause in pauses} == set(range(10))


def test_it_ends_with_the_seventh_fault_in_a_row() -> None:
    backoff = Backoff()
    pauses = [backoff.pause(FAULT, some_taken=False) for _ in range(7)]
    assert [pause is None for pause in pauses] == [False] * 6 + [True]


def test_any_other_answer_between_ends_the_row() -> None:
    backoff = Backoff()
    for _ in range(3):
        for _ in range(6):
            assert backoff.pause(FAULT, some_taken=False) is not None
        assert backoff.pause(THROTTLED, some_taken=False) is not None
