"""The sample events of events/: which there are, and how to send one. See events/README.md."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from tests.support.cloud import EVENTS, WORK, Cloud
from tests.support.ended_executions import add_ended, add_run
from tests.support.report_pages import kept_page

EXPECTED = ".expected.json"
# What the stack sends is compared with the definition, tests/statemachine/test_notifications.py.
_NOT_SENT_TO_US = {"objects", "notifications"}


def name(path: Path) -> str:
    return path.relative_to(EVENTS).as_posix()


FILES = [path for path in EVENTS.glob("*/*.json") if path.parent.name not in _NOT_SENT_TO_US]
ALL = sorted(name(path) for path in FILES if not path.name.endswith(EXPECTED))


def read(event: str) -> Any:
    return json.loads((EVENTS / event).read_text(encoding="utf-8"))


def store_objects(cloud: Cloud) -> None:
    """Uploads the objects that the events are about."""
    for one in read("objects/objects.json"):
        body = (EVENTS / "objects" / one["file"]).read_bytes()
        cloud.put(body, one["key"], one["bucket"], one["version_id"])


def send(cloud: Cloud, event: str) -> tuple[Any, Any]:
    """Sends one event to where its folder says, after the events that it needs. Returns what came
    of it and what was expected."""
    expected = read(event.removesuffix(".json") + EXPECTED)
    if "run" in expected:
        add_run(cloud, cloud.run(read(expected.pop("run")), "by-hand"))
    if "ended" in expected:
        add_ended(cloud, **expected.pop("ended"))
    for earlier in expected.pop("given", []):
        _send(cloud, earlier)
    got = _send(cloud, event)
    if "executions" in expected:
        got["executions"] = cloud.executions()
    if "items" in expected:
        got["items"] = sorted(cloud.items(), key=_by_values)
        expected["items"].sort(key=_by_values)
    if "page" in expected:
        got["page"] = _page(cloud, event)
    if "refused_rows" in expected:
        got["refused_rows"] = _refused_rows(cloud, got["answer"])
    return got, expected


def _by_values(item: Any) -> list[Any]:
    return [str(value) for _, value in sorted(item.items())]


def _send(cloud: Cloud, event: str) -> Any:
    folder = event.split("/")[0]
    if folder == "execution":
        return _run_execution(cloud, read(event))
    return {"answer": cloud.call(folder, read(event))}


def _run_execution(cloud: Cloud, request: Any) -> Any:
    execution = cloud.run(request, "by-hand")
    if "result" in execution.data:
        return {"ends_in": execution.ended_in, "result": execution.data["result"]}
    summary = {"summary": execution.data["summary"]}
    return {"ends_in": execution.ended_in} | (summary if execution.ended_in != "Overtaken" else {})


def _page(cloud: Cloud, event: str) -> Any:
    """The verdict and the totals of the page of the execution that the event announces."""
    [record] = read(event)["Records"]
    page = kept_page(cloud, WORK, json.loads(record["body"])["detail"]["name"])
    return page and {"heading": page.heading, "equation": page.equation}


def _refused_rows(cloud: Cloud, answer: Any) -> list[Any]:
    """The joined file of refused rows, as any reader of CSV sees it."""
    text = cloud.read_url(answer["refused_rows"]).decode()
    return list(csv.reader(io.StringIO(text, newline="")))
