"""Faults of the uploaded object, and of S3 when it is read."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from tests.faults.matrix import Kind
from tests.support.burst import Burst
from tests.support.load_assertions import assert_accounted
from tests.support.tasks import (
    UNVERSIONED,
    UPLOADS,
    Tasks,
    assert_ended,
    assert_no_second_try,
    ticket_file,
)
from tests.support.ticket_files import TicketFile
from tests.support.wire import Call, Forward, Reply, cut_body, slowly

Given = dict[str, Any]


class TwoVersions:
    """A file, and a newer one that comes under the same key when it is told to."""

    def __init__(self, tasks: Tasks, name: str, bucket: str = UPLOADS) -> None:
        self.old, self.new = ticket_file(name), ticket_file(f"{name}-newer")
        self._tasks, self._bucket = tasks, bucket
        self.given = self._upload(self.old)
        self.newer: Given = {}

    def overwrite(self) -> None:
        self.newer = self._upload(self.new)

    def assert_new_can_be_loaded(self) -> dict[str, Any]:
        return self._tasks.assert_loaded(self._tasks.run(self.newer, "second"), self.new)

    def _upload(self, file: TicketFile) -> Given:
        given: Given = self._tasks.upload(file, f"{self.old.name}.csv", self._bucket)
        return given


def in_a_chunk(tasks: Tasks, faults: ExitStack, deed: Callable[[], object]) -> Callable[[], object]:
    """Before Write Chunk: the deed will be done with two fifths of the first body through, and the
    body breaks off there, so that the chunk has to ask for the rest."""

    def action(call: Call, forward: Forward) -> Reply:
        reply = cut_body(0.4)(call, forward)
        deed()
        return reply

    return lambda: faults.enter_context(tasks.wire.fault("GET", action, times=1))


def test_overwritten_before_validate(kind: Kind, tasks: Tasks) -> None:
    versions = TwoVersions(tasks, "early")
    versions.overwrite()
    ended = tasks.run(versions.given)
    assert_ended(ended, kind)
    tasks.assert_loaded(ended, versions.old)
    assert versions.assert_new_can_be_loaded()["replaces"] == ended.state["load_id"]


def test_overwritten_before_validate_without_versions(kind: Kind, tasks: Tasks) -> None:
    versions = TwoVersions(tasks, "early-plain", UNVERSIONED)
    versions.overwrite()
    ended = tasks.run(versions.given)
    assert_ended(ended, kind)
    assert [reason["reason"] for reason in ended.state["reasons"]] == ["object_changed"]
    assert tasks.items(versions.old.name) == {}
    versions.assert_new_can_be_loaded()


def test_overwritten_before_split(kind: Kind, tasks: Tasks) -> None:
    versions = TwoVersions(tasks, "between")
    ended = tasks.run(versions.given, before={"split_file": versions.overwrite})
    assert_ended(ended, kind)
    tasks.assert_loaded(ended, versions.old)
    assert versions.assert_new_can_be_loaded()["replaces"] == ended.state["load_id"]


def test_overwritten_before_split_without_versions(kind: Kind, tasks: Tasks) -> None:
    versions = TwoVersions(tasks, "between-plain", UNVERSIONED)
    ended = tasks.run(versions.given, before={"split_file": versions.overwrite})
    assert_ended(ended, kind)
    assert tasks.items(versions.old.name) == {}
    assert_accounted(tasks, ended.state["load_id"], versions.old)
    versions.assert_new_can_be_loaded()


def test_overwritten_in_a_chunk(kind: Kind, tasks: Tasks) -> None:
    versions = TwoVersions(tasks, "within")
    with ExitStack() as faults:
        deed = in_a_chunk(tasks, faults, versions.overwrite)
        ended = tasks.run(versions.given, before={"write_chunk": deed})
    assert_ended(ended, kind)
    assert_no_second_try(tasks)
    tasks.assert_loaded(ended, versions.old)
    assert versions.assert_new_can_be_loaded()["replaces"] == ended.state["load_id"]


def test_overwritten_in_a_chunk_without_versions(kind: Kind, tasks: Tasks) -> None:
    versions = TwoVersions(tasks, "within-plain", UNVERSIONED)
    with ExitStack() as faults:
        deed = in_a_chunk(tasks, faults, versions.overwrite)
        ended = tasks.run(versions.given, before={"write_chunk": deed})
    assert_ended(ended, kind)
    assert all("ObjectChanged" in why for why in ended.state["failed_chunks"].values())
    assert_accounted(tasks, ended.state["load_id"], versions.old)
    replayed = tasks.run(versions.given, "first-r1")
    assert "was overwritten before it was read" in replayed.why, "the old bytes are nowhere"
    versions.assert_new_can_be_loaded()


def test_deleted_by_a_marker(kind: Kind, tasks: Tasks) -> None:
    file = ticket_file("marked")
    given = tasks.upload(file)
    with ExitStack() as faults:
        delete = lambda: tasks.s3.delete_object(Bucket=UPLOADS, Key=given["key"])  # noqa: E731
        ended = tasks.run(given, before={"write_chunk": in_a_chunk(tasks, faults, delete)})
    assert "DeleteMarkers" in tasks.s3.list_object_versions(Bucket=UPLOADS)
    assert_ended(ended, kind)
    assert_no_second_try(tasks)
    tasks.assert_loaded(ended, file)


def test_deleted_for_good(kind: Kind, tasks: Tasks) -> None:
    file = ticket_file("destroyed")
    given = tasks.upload(file)

    def destroy() -> None:
        tasks.s3.delete_object(Bucket=UPLOADS, Key=given["key"], VersionId=given["version_id"])

    ended = tasks.run(given, before={"write_chunk": destroy})
    assert_ended(ended, kind)
    assert all("ObjectGone" in why for why in ended.state["failed_chunks"].values())
    assert_accounted(tasks, ended.state["load_id"], file)
    replayed = tasks.run(given, "first-r1")
    assert [reason["reason"] for reason in replayed.state["reasons"]] == ["object_gone"]
    tasks.assert_loaded(tasks.run(tasks.upload(file), "second"), file)


def test_body_cut(kind: Kind, tasks: Tasks) -> None:
    file = ticket_file("cut")
    with tasks.wire.fault("GET", cut_body(1 / 3), times=4) as fault:
        ended = tasks.run(tasks.upload(file))
    begins = [dict(call.headers)["Range"].partition("-")[0] for call in fault.fired]
    assert len(set(begins)) == 4, "each goes on where the one before broke off"
    assert_ended(ended, kind)
    assert_no_second_try(tasks)
    tasks.assert_loaded(ended, file)


def test_body_cut_for_ever(kind: Kind, tasks: Tasks) -> None:
    file = ticket_file("cut-for-ever")
    given = tasks.upload(file)
    with ExitStack() as faults:
        cut = lambda: faults.enter_context(tasks.wire.fault("GET", cut_body(0)))  # noqa: E731
        ended = tasks.run(given, before={"write_chunk": cut})
    assert_ended(ended, kind)
    assert_accounted(tasks, ended.state["load_id"], file)
    assert tasks.items(file.name) == {}
    tasks.assert_loaded(tasks.run(given, "first-r1"), file)


def test_body_slow(kind: Kind, tasks: Tasks) -> None:
    file = ticket_file("slow")
    given = tasks.upload(file)
    with tasks.wire.fault("GET", slowly(piece=512, pause=0.05)) as fault:
        ended = tasks.run(given)
    assert len(fault.fired) >= 7, "for Validate File, Split File and five chunks"
    assert_ended(ended, kind)
    assert_no_second_try(tasks)
    tasks.assert_loaded(ended, file)


def test_slow_down(kind: Kind, tasks: Tasks, burst: Burst) -> None:
    file = ticket_file("slow-down")
    with burst.fault(
        tasks.wire,
        service="s3",
        operation="GetObject",
        times=2,
        error={"code": "SlowDown", "status": 503},
    ) as fired:
        ended = tasks.run(tasks.upload(file))
    assert [one["action"] for one in fired] == ["error:SlowDown"] * 2
    assert_ended(ended, kind)
    assert_no_second_try(tasks)
    tasks.assert_loaded(ended, file)


def test_get_denied(kind: Kind, tasks: Tasks, burst: Burst) -> None:
    file = ticket_file("get-denied")
    given = tasks.upload(file)
    denied = {"code": "AccessDenied", "status": 403}
    with burst.fault(tasks.wire, service="s3", operation="GetObject", error=denied) as fired:
        ended = tasks.run(given)
    assert len(fired) == 6, "every try of Validate File"
    assert_ended(ended, kind)
    assert tasks.items(file.name) == {}
    tasks.assert_loaded(tasks.run(given, "first-r1"), file)
