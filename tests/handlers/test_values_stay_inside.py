"""No value of a row leaves the table, the refused rows, and the pieces of the plan (a gzip file
unpacked): none is in what handlers log, print, raise or answer, in what executions are given, keep
and send, in the ledger, in the plan or in the report.

Every value of the files here has a mark. Each file goes through the whole state machine, and all
that is told outside those places is searched for the mark. So are the report page and the history
beside it.
"""

import gzip
import json
import logging
import os
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.cloud import Cloud, on_a_wire
from tests.support.page_writer import write_page
from tests.support.queue_events import queue_record
from tests.support.state_machine import Failure, run
from tests.support.wire import Wire, lose_reply, refuse, reply_with

# In every value of every row, as text or as a number; in no name of ours.
MARK = "Zq7x"
NUMBER = 70_717_073
MAY_HOLD_VALUES = ("refused-rows/", "equal-keys/", "unpacked/")

HEADER = "ticket_id,product,basket_id,timestamp,category,quantity,store\n"
TIME = "2026-03-07T07:17:37.070717073Z"
MARKS = (MARK, str(NUMBER), TIME)


def row(number: int = 1, **changes: Any) -> bytes:
    values = {
        "ticket_id": f"{MARK}T{number}",
        "product": f"{MARK} tea",
        "basket_id": f"{MARK}B",
        "timestamp": TIME,
        "category": f"{MARK}C",
        "quantity": str(NUMBER),
        "store": f"{MARK}S",
    }
    return (",".join({**values, **changes}.values()) + "\n").encode()


HEAD = HEADER.encode()
GOOD = b"".join(map(row, range(1, 9)))
FILES = {
    "good": HEAD + GOOD,
    "superseded": HEAD + GOOD + row(1) + row(1),
    "no timestamp": HEAD + GOOD + row(9, timestamp=f"{MARK} never"),
    "no quantity": HEAD + GOOD + row(9, quantity=f"{NUMBER}.5"),
    "an empty value": HEAD + GOOD + row(9, basket_id=""),
    "too few fields": HEAD + GOOD + f"{MARK},{MARK}\n".encode(),
    "too many fields": HEAD + GOOD + row(9, store=f"{MARK},{MARK}"),
    "a malformed quote": HEAD + GOOD + row(9, product=f'"{MARK}" {MARK}'),
    "a key too long": HEAD + GOOD + row(9, product=MARK * 500),
    "an item too large": HEAD + GOOD + row(9, store=MARK * 110_000),
    "a record too long": HEAD + GOOD + row(9, store=MARK * 300_000) + row(10),
    "an unclosed quote": HEAD + GOOD + row(9, store=f'"{MARK}') + row(10),
    "a row not UTF-8": HEAD
    + b"".join(row(n, category="x" * 20_000) for n in range(60))
    + row(99).replace(b" tea", b"\xe9"),
    "mostly refused": HEAD + row(1) + row(2, quantity=MARK) + row(3, quantity=MARK),
    "a formula": HEAD + GOOD + row(9, quantity=f"=1+{NUMBER}"),
    # As a whole
    "a head not UTF-8": HEAD + row(1).replace(b" tea", b"\xe9"),
    "NUL bytes": HEAD + row(1).replace(b" tea", b"\x00"),
    "no header": row(1) + row(2),
    "a header without a column": HEAD.replace(b",store", b"") + row(1),
    "a header with a column twice": HEAD.replace(b"store", b"product") + row(1),
    "a quote in the header": b'"' + HEAD + GOOD,
    # Packed
    "gzip": gzip.compress(HEAD + GOOD),
    "gzip cut off": gzip.compress(HEAD + b"".join(map(row, range(900))))[:-40],
    "gzip broken": gzip.compress(HEAD + GOOD)[:-8] + bytes(8),
    "gzip that is none": b"\x1f\x8b\x08" + (HEAD + GOOD),
    "gzip in gzip": gzip.compress(gzip.compress(HEAD + GOOD)),
}


# ---------------------------------------------------------------- What is told


@dataclass
class Story:
    """Runs a file through the state machine, and keeps everything that is logged, raised or
    returned."""

    cloud: Cloud
    caplog: pytest.LogCaptureFixture
    capfd: pytest.CaptureFixture[str]
    told: dict[str, str] = field(default_factory=dict)
    """By where it was."""
    status: str = ""
    seconds: float = 900
    """That each call of a handler has."""

    def tell(self, where: Any, text: Any) -> None:
        self.told[f"{len(self.told)}: {where}"] = text if isinstance(text, str) else repr(text)

    def call(self, handler: Any, event: Any) -> Any:
        """The answer, or None after an error. An error is reported as Lambda reports it: its text
        and its trace, with its causes, in the log and as the execution's cause."""
        self.tell(f"what {handler} is given", event)
        try:
            answer = self.cloud.invoke(handler, event, self.seconds)
        except Exception as error:
            self.tell(f"what {handler} raises", "".join(traceback.format_exception(error)))
            self.tell(f"the error of {handler}", f"{error!r} {vars(error)}")
            return None
        self.tell(f"what {handler} answers", answer)
        return answer

    def run(self, request: Any) -> None:
        self.call("start_execution", event_of(request))
        for started in self.cloud.executions():
            self.tell("the execution's input", started)
        execution = run(self.cloud.start(request), self._step)
        self.status = execution.status
        self.tell("what the execution keeps", execution.data)
        for message in execution.sent:
            self.tell("what the execution sends", message)
        assert execution.events, "each load that ends tells it"
        assert write_page(self.cloud, execution).startswith("s3://")

    def _step(self, task: Any) -> Any:
        answer = self.call(task.handler, task.event)
        if answer is None:
            raise Failure("Runtime.HandlerError")
        return answer

    def search(self) -> None:
        """Fail if a row's value is found anywhere."""
        self._look_around()
        for where, text in self.told.items():
            for mark in MARKS:
                assert mark not in text, f"A row's value is told outside, in {where}: {text[:2000]}"

    def _look_around(self) -> None:
        for record in self.caplog.records:
            self.tell("the log", f"{vars(record)}{self.caplog.handler.format(record)}")
        printed = self.capfd.readouterr()
        self.tell("what is printed", printed.out + printed.err)
        for entry in self.cloud.items(self.cloud.ledger_table):
            self.tell("the ledger", entry)
        for bucket in (self.cloud.work, self.cloud.uploads):
            for key in keys(self.cloud.s3, bucket):
                self.tell("a key", key)
                if bucket == self.cloud.work and not key.startswith(MAY_HOLD_VALUES):
                    self.tell(f"the object {key}", self.cloud.read(bucket, key).decode("latin-1"))


def keys(s3: Any, bucket: Any) -> list[Any]:
    return [one["Key"] for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def event_of(request: Any) -> dict[str, Any]:
    stored = {"key": request["key"], "size": request["size"], "eTag": request["etag"]}
    record = {
        "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": {"name": request["bucket"]},
            "object": {**stored, "versionId": request["version_id"], "sequencer": "0"},
        },
    }
    return {"Records": [queue_record("1", json.dumps({"Records": [record]}))]}


@pytest.fixture
def telling(
    cloud: Cloud, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Any:
    # All messages of the product, and those of libraries that a function would log, from INFO on.
    caplog.set_level(logging.INFO)
    for name in ("ingestion", "handlers"):
        caplog.set_level(logging.DEBUG, name)
    return Story(cloud, caplog, capfd)


@pytest.fixture
def story(telling: Any) -> Iterator[Any]:
    """It is searched once the test is over."""
    yield telling
    telling.search()


def everything_inside(cloud: Cloud) -> Any:
    """The contents of the places in which values belong."""
    inside = str(cloud.items())
    for key in keys(cloud.s3, cloud.work):
        if key.startswith(MAY_HOLD_VALUES):
            inside += cloud.read(cloud.work, key).decode(errors="replace")
    return inside


def one_of_each(names: Any, quick: Any) -> list[Any]:
    assert quick <= names.keys()
    exhaustive = pytest.mark.exhaustive
    return [name if name in quick else pytest.param(name, marks=exhaustive) for name in names]


# ---------------------------------------------------------------- Files of every kind

QUICK_FILES = {
    *("superseded", "a malformed quote", "a key too long", "an unclosed quote"),
    *("a row not UTF-8", "mostly refused", "no header", "gzip broken"),
}


@pytest.mark.parametrize("name", one_of_each(FILES, QUICK_FILES))
def test_no_value_of_a_file_is_told(
    story: Any, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, name: Any
) -> None:
    monkeypatch.setenv("CHUNK_SIZE_BYTES", "65536")
    story.run(cloud.put(FILES[name], key=f"files/{list(FILES).index(name)}.csv"))
    assert story.status == ("SUCCEEDED" if name in SUCCEED else "FAILED")
    # The values did arrive where they belong, unless the file was refused as a whole.
    refused_whole = any("'verdict': 'refused'" in text for text in story.told.values())
    assert refused_whole == (name in REFUSED)
    assert (MARK in everything_inside(cloud)) != refused_whole


REFUSED = {
    *("a head not UTF-8", "NUL bytes", "no header", "a header without a column"),
    *("a header with a column twice", "a quote in the header"),
    *("gzip that is none", "gzip in gzip"),
}
SUCCEED = {
    *("good", "superseded", "no timestamp", "no quantity", "an empty value", "too few fields"),
    *("too many fields", "a malformed quote", "a key too long", "an item too large"),
    *("a row not UTF-8", "a formula", "gzip", "a record too long", "an unclosed quote"),
}


# ---------------------------------------------------------------- Failures on the way


def quoting(status: Any, code: Any) -> Any:
    """An answer that quotes what it was sent, as DynamoDB does with a value that it refuses."""
    return lambda call: refuse(
        code, status, f"Supplied AttributeValue is not valid: {call.body.decode()}"
    )(call)


def a_proxys_page(call: Any) -> Any:
    """Some gateways quote the request in their error pages."""
    return reply_with(b"<html>502 Bad Gateway " + call.body + b"</html>", 502, "text/html")


def unprocessed(call: Any) -> Any:
    """An answer that accepts no item."""
    return reply_with(json.dumps({"UnprocessedItems": call.json["RequestItems"]}))


FAILURES = {
    "ValidationException": quoting(400, "ValidationException"),
    "SerializationException": quoting(400, "SerializationException"),
    "an error nobody knows": quoting(400, "SomethingNewException"),
    "InternalServerError": quoting(500, "InternalServerError"),
    "a proxy's page": a_proxys_page,
    "cut off": lose_reply,
    "unprocessed for ever": unprocessed,
}


QUICK_FAILURES = {"ValidationException", "an error nobody knows", "a proxy's page"}


@pytest.fixture
def wire(cloud: Cloud, moto_url: str) -> Iterator[Any]:
    with on_a_wire(cloud, moto_url) as wire:
        yield wire


@pytest.mark.parametrize("name", one_of_each(FAILURES, QUICK_FAILURES))
def test_no_value_is_told_by_a_failure(
    story: Any, cloud: Cloud, wire: Wire, name: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A round ends soon, even if nothing is ever acknowledged.
    monkeypatch.setattr("ingestion.tasks.write_chunk.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("ingestion.dynamodb.responses._MAX_PAUSE_SECONDS", 0.01)
    story.seconds = 3
    with wire.fault("BatchWriteItem", FAILURES[name]):
        story.run(cloud.put(HEAD + GOOD + row(9, quantity=MARK)))
    assert story.status == "FAILED"
    assert any("what write_chunk raises" in where for where in story.told)


def test_no_value_is_told_when_a_file_changes_under_the_load(story: Any, cloud: Cloud) -> None:
    """An unversioned bucket's object is overwritten after it was split."""
    request = cloud.put(HEAD + GOOD, bucket=cloud.unversioned)
    state, chunks = cloud.plan(request)
    cloud.put(HEAD + row(70), bucket=cloud.unversioned)
    event = {"load_id": state["load_id"], "file": state["file"], "chunk": chunks[0]}
    assert (
        story.call("write_chunk", {**event, "chunks": len(chunks), "execution": "by-hand"}) is None
    )


def test_no_value_is_told_by_a_message_that_is_no_event(story: Any, cloud: Cloud) -> None:
    body = json.dumps({"Records": [{"eventName": f"ObjectCreated:{MARK}", "s3": MARK}]})
    for text in (body, MARK, f'["{MARK}"]', f'{{"Records": "{MARK}"}}'):
        event = {"Records": [queue_record("1", text)]}
        with pytest.MonkeyPatch.context() as patch:
            # The input is the message itself, and not something that the handler has logged.
            patch.setattr(story, "tell", lambda *_: None)
            answer = story.call("start_execution", event)
        assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}


# ---------------------------------------------------------------- The search itself


@pytest.mark.parametrize(
    ("place", "where"),
    [
        *[("log", "the log"), ("print", "what is printed"), ("error", "validate_file")],
        *[("ledger", "the ledger"), ("reports/a.json", "the object reports/a.json")],
        ("plans/a.json", "the object plans/a.json"),
    ],
)
def test_a_value_that_is_told_is_found(telling: Any, cloud: Cloud, place: Any, where: Any) -> None:
    """Writes a value to each of the places that are searched."""
    if place == "log":
        logging.getLogger("ingestion.telemetry").info("a row: %s", f"{MARK}T1")
    elif place == "print":
        os.write(1, MARK.encode())
    elif place == "error":
        telling.call("validate_file", {"execution_arn": "", "input": {"bucket": MARK, "key": "a"}})
    elif place == "ledger":
        entry = {"load_id": {"S": "a"}, "entry": {"S": "load"}, "n": {"N": str(NUMBER)}}
        cloud.dynamodb.put_item(TableName=cloud.ledger_table, Item=entry)
    else:
        cloud.s3.put_object(Bucket=cloud.work, Key=place, Body=TIME.encode())
    with pytest.raises(AssertionError, match=f"told outside, in [0-9]+: .*{where}"):
        telling.search()
