"""Every event of events/ gives what the file beside it expects, see events/README.md."""

import hashlib
from typing import Any

import pytest

from tests.support.cloud import EVENTS, Cloud
from tests.support.sample_events import ALL, EXPECTED, FILES, name, read, send
from tools import definition

TASKS = {
    "validate_file": "Validate File",
    "split_file": "Split File",
    "take_turn": "Take Turn",
    "write_chunk": "Write Chunk",
    "reconcile": "Reconcile",
    "settle_equal_keys": "Settle Equal Keys",
}
FOLDERS = {"start_execution", "execution", "write_report_page", *TASKS}
OF_QUEUES = [event for event in ALL if event.startswith(("start_execution/", "write_report_page/"))]


def task_states() -> Any:
    states = definition.load()["States"]
    inner = states["Write Chunks"]["ItemProcessor"]["States"]
    return {folder: (states | inner)[state] for folder, state in TASKS.items()}


OF_TASKS = [event for event in ALL if event.split("/")[0] in TASKS]


def test_no_event_is_without_an_expected_file_and_no_expected_file_without_an_event() -> None:
    expected = sorted(name(path) for path in FILES if path.name.endswith(EXPECTED))
    assert [event.removesuffix(".json") + EXPECTED for event in ALL] == expected


def test_each_function_and_the_state_machine_has_a_folder_with_events() -> None:
    assert {event.split("/")[0] for event in ALL} == FOLDERS


def test_no_object_is_without_a_file_and_no_file_without_an_object() -> None:
    listed = [one["file"] for one in read("objects/objects.json")]
    files = {path.name for path in (EVENTS / "objects").iterdir()} - {"objects.json"}
    assert sorted(listed) == sorted(files)


@pytest.mark.parametrize("event", ALL)
def test_the_answer_is_the_expected_one(event: Any, stocked: Cloud) -> None:
    got, expected = send(stocked, event)
    assert got == expected


@pytest.mark.parametrize("event", OF_TASKS)
def test_an_event_of_a_task_has_the_fields_that_its_state_sends(event: Any) -> None:
    payload = task_states()[event.split("/")[0]]["Parameters"]["Payload"]
    assert {field.removesuffix(".$") for field in payload} == read(event).keys()


@pytest.mark.parametrize("event", OF_TASKS)
def test_an_answer_has_every_field_that_its_state_selects(event: Any) -> None:
    """Checks the expected answer. The test above checks that the handler gives it."""
    answer = read(event.removesuffix(".json") + EXPECTED)["answer"]
    for field, path in task_states()[event.split("/")[0]]["ResultSelector"].items():
        assert not field.endswith(".$") or path.removeprefix("$.Payload.") in answer


@pytest.mark.parametrize("event", OF_QUEUES)
def test_a_queue_message_is_whole_as_sqs_delivers_it(event: Any) -> None:
    for record in read(event)["Records"]:
        assert record["md5OfBody"] == hashlib.md5(record["body"].encode()).hexdigest()  # noqa: S324 - SQS uses MD5
        assert record["eventSource"] == "aws:sqs"


def test_the_events_tell_the_truth_about_the_objects() -> None:
    """ETag and size are those of the files, so that an event can be sent after its object."""
    objects = {}
    for one in read("objects/objects.json"):
        body = (EVENTS / "objects" / one["file"]).read_bytes()
        objects[one["bucket"], one["key"], one["version_id"]] = (
            hashlib.md5(body).hexdigest(),  # noqa: S324 - SQS uses MD5
            len(body),
        )
    told = {}
    for event in ALL:
        known = read(event)
        for facts in (known, known.get("input", {}), known.get("file", {})):
            if "etag" in facts and event != "validate_file/object_changed.json":
                identity = facts["bucket"], facts["key"], facts["version_id"]
                told[identity] = facts["etag"], facts["size"]
    assert told == objects
