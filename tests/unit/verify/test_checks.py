"""The checks of `tickets verify` say what went wrong, and skip what depends on it.

What AWS does is scripted here; tests/e2e/test_verify.py makes the checks on the whole stack.
"""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.described_stack import DescribedStack
from tickets.verify.checks import FAILED, PASSED, SKIPPED, Check, Checks
from tickets.verify.comparison import Difference
from tickets.verify.files import TicketFile
from tickets.verify.plan import make_plan
from tickets.verify.traffic import NotDone, Upload

ROWS, CHUNKED, PACKED = "Good rows and bad rows", "Equal keys in two chunks", "A gzip file"
SECOND, AGAIN, REPLAY = "A second version", "The same bytes again", "A replay of a loaded file"
REFUSED, STOPPED = "A bad file", "A stopped load"
ALL = [ROWS, CHUNKED, PACKED, SECOND, AGAIN, REPLAY, REFUSED, STOPPED]
BY_UPLOAD = {
    "rows.csv-1": ROWS,
    "chunks.csv-1": CHUNKED,
    "packed.csv.gz-1": PACKED,
    "rows.csv-2": SECOND,
    "rows.csv-3": AGAIN,
    "refused.csv-1": REFUSED,
    "stopped.csv-1": STOPPED,
}


class Deployment:
    """Stands in for the traffic and the comparison. Executions are called like the file, with the
    number of its upload; everything ends as it must, except what a test changes."""

    def __init__(self) -> None:
        self.not_done: set[str] = set()
        self.different: dict[str, list[Difference]] = {}
        self.ended_as: dict[str, dict[str, Any]] = {
            "rows.csv-3": {"ending": "Already Loaded", "load_id": "rows.csv-2"},
            "refused.csv-1": {
                "status": "FAILED",
                "reasons": [{"reason": "missing_column", "column": "quantity"}],
                "load": {"status": "FAILED"},
            },
            "stopped.csv-1": {"status": "ABORTED"},
        }
        self.replays = {"rows.csv-2": "loaded", "stopped.csv-1": "started"}
        self._uploads: dict[str, int] = {}

    def upload(self, file: TicketFile) -> Upload:
        name = file.key.rpartition("/")[2]
        self._uploads[name] = self._uploads.get(name, 0) + 1
        return Upload(file, "version", f"arn:{name}-{self._uploads[name]}")

    def ended(self, arn: str) -> Any:
        name = arn.rpartition(":")[2]
        self._check(name)
        ended = {
            "status": "SUCCEEDED",
            "ending": "Loaded",
            "load_id": name,
            **self.ended_as.get(name, {}),
        }
        return SimpleNamespace(
            arn=arn, name=name, outcome=lambda: SimpleNamespace(chunks=1), **ended
        )

    def stop(self, upload: Upload) -> None:
        self._check(f"{upload.execution} stop")

    def dead_letter(self, arn: str, *, dismiss: bool) -> Any:
        self._check(f"{arn.rpartition(':')[2]} letter")
        return SimpleNamespace(reason="The header has no column quantity.")

    def replay(self, execution: str, *, failed: bool) -> Any:
        done = SimpleNamespace(outcome=self.replays[execution], execution=f"{execution}-r1")
        return done, f"arn:{execution}-r1"

    def differences(self, upload: Upload, execution: Any, kept: Any) -> list[Difference]:
        return self.different.get(execution.name, [])

    def missing_or_changed(self, rows: Any) -> list[Difference]:
        return self.different.get("items again", [])

    def _check(self, name: str) -> None:
        if name in self.not_done:
            raise NotDone(f"{name} is not done.", "look for it")


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


def checked(deployment: Any) -> dict[str, Check]:
    stack: Any = DescribedStack(ChunkSizeBytes="65536")
    checks = Checks(make_plan(stack, failures=True), deployment, deployment)
    return {check.name: check for check in checks.run()}


def failed(deployment: Deployment, name: str) -> list[str]:
    """The problems of the check, which must be the only failed one and say what to do."""
    found = checked(deployment)
    assert [one.name for one in found.values() if one.status == FAILED] == [name]
    assert found[name].next_step
    return found[name].problems


def test_all_checks_pass_on_a_sound_deployment(deployment: Deployment) -> None:
    found = checked(deployment)
    assert list(found) == ALL
    assert {check.status for check in found.values()} == {PASSED}


@pytest.mark.parametrize("upload", BY_UPLOAD)
def test_an_upload_that_starts_nothing_fails_its_check(deployment: Deployment, upload: str) -> None:
    deployment.not_done.add(upload)
    assert failed(deployment, BY_UPLOAD[upload]) == [f"{upload} is not done."]


@pytest.mark.parametrize("upload", ["rows.csv-1", "chunks.csv-1", "packed.csv.gz-1", "rows.csv-2"])
def test_a_difference_fails_its_check(deployment: Deployment, upload: str) -> None:
    deployment.different[upload] = [Difference("items", "1 of 2"), Difference("ledger", "x")]
    assert failed(deployment, BY_UPLOAD[upload]) == ["items: 1 of 2", "ledger: x"]


@pytest.mark.parametrize(
    ("upload", "skipped"),
    [("rows.csv-1", [SECOND, AGAIN, REPLAY]), ("rows.csv-2", [AGAIN, REPLAY])],
)
def test_later_versions_are_not_checked_if_an_earlier_one_was_not_loaded(
    deployment: Deployment, upload: str, skipped: list[str]
) -> None:
    deployment.not_done.add(upload)
    found = checked(deployment)
    assert [check.name for check in found.values() if check.status == SKIPPED] == skipped
    assert list(found) == ALL


def test_bytes_that_are_loaded_again_are_found(deployment: Deployment) -> None:
    deployment.ended_as["rows.csv-3"] = {"ending": "Loaded"}
    assert failed(deployment, AGAIN) == ["execution: it ended as Loaded"]


def test_already_loaded_by_another_load_is_found(deployment: Deployment) -> None:
    deployment.ended_as["rows.csv-3"]["load_id"] = "rows.csv-1"
    assert failed(deployment, AGAIN) == ["execution: it names the load rows.csv-1"]


def test_rows_that_change_although_they_are_loaded_already_are_found(
    deployment: Deployment,
) -> None:
    deployment.different["items again"] = [Difference("items", "1 of 2")]
    assert failed(deployment, AGAIN) == ["items: 1 of 2"]


def test_a_replay_that_loads_a_loaded_file_is_found(deployment: Deployment) -> None:
    deployment.replays["rows.csv-2"] = "started"
    assert failed(deployment, REPLAY) == ["execution: the replay answered started rows.csv-2-r1"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"status": "SUCCEEDED", "reasons": []}, "execution: it is SUCCEEDED with the reasons []"),
        (
            {"reasons": [{"reason": "not_csv", "column": None}]},
            "execution: it is FAILED with the reasons [('not_csv', None)]",
        ),
        ({"load": {"status": "SUCCEEDED"}}, "ledger: status is SUCCEEDED"),
        ({"load": {}}, "ledger: status is None"),
    ],
)
def test_a_bad_file_that_is_not_refused_as_it_must_be_is_found(
    deployment: Deployment, changes: dict[str, Any], problem: str
) -> None:
    deployment.ended_as["refused.csv-1"].update(changes)
    assert failed(deployment, REFUSED) == [problem]


@pytest.mark.parametrize(
    ("missing", "name"),
    [("refused.csv-1 letter", REFUSED), ("stopped.csv-1 letter", STOPPED)],
)
def test_a_dead_letter_that_does_not_come_is_found(
    deployment: Deployment, missing: str, name: str
) -> None:
    deployment.not_done.add(missing)
    assert failed(deployment, name) == [f"{missing} is not done."]


def test_a_stopped_load_that_is_not_replayed_is_found(deployment: Deployment) -> None:
    deployment.replays["stopped.csv-1"] = "running"
    assert failed(deployment, STOPPED) == [
        "execution: the replay answered running stopped.csv-1-r1"
    ]


def test_a_replay_that_does_not_load_all_rows_is_found(deployment: Deployment) -> None:
    deployment.different["stopped.csv-1-r1"] = [Difference("items", "1 of 2")]
    assert failed(deployment, STOPPED) == ["items: 1 of 2"]


def test_a_load_that_ends_before_it_is_stopped_proves_nothing(deployment: Deployment) -> None:
    deployment.ended_as["stopped.csv-1"]["status"] = "SUCCEEDED"
    found = checked(deployment)[STOPPED]
    assert found.status == SKIPPED
    assert "ended before it could be stopped" in found.evidence
