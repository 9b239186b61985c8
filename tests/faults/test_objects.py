"""Faults of the uploaded object, and of S3 when it is read."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from tests.faults.loads import (
    assert_ended,
    assert_no_second_try,
    failed_chunks,
    ticket_file,
)
from tests.faults.matrix import Kind
from tests.support.cloud import UNVERSIONED, UPLOADS, Cloud
from tests.support.load_assertions import assert_accounted
from tests.support.ticket_files import TicketFile
from tests.support.wire import Call, Reply, cut_body, refuse, slowly

Given = dict[str, Any]


class TwoVersions:
    """A file, and a newer version of it that is uploaded when the test calls for it."""

    def __init__(self, cloud: Cloud, name: str, bucket: str = UPLOADS) -> None:
        self.old, self.new = ticket_file(name), ticket_file(f"{name}-newer")
        self._cloud, self._bucket = cloud, bucket
        self.given = self._upload(self.old)
        self.newer: Given = {}

    def overwrite(self) -> None:
        self.newer = self._upload(self.new)

    def assert_new_can_be_loaded(self) -> dict[str, Any]:
        return self._cloud.assert_loaded(self._cloud.run(self.newer, "second"), self.new)

    def _upload(self, file: TicketFile) -> Given:
        given: Given = self._cloud.upload(file, f"{self.old.name}.csv", self._bucket)
        return given


def in_a_chunk(cloud: Cloud, faults: ExitStack, deed: Callable[[], object]) -> Callable[[], object]:
    """Before Write Chunk: the deed will be done with two fifths of the first body through, and the
    body breaks off there, so that the chunk has to ask for the rest."""

    def action(call: Call) -> Reply:
        reply = cut_body(0.4)(call)
        deed()
        return reply

    return lambda: faults.enter_context(cloud.wire.fault("GetObject", action, times=1))


def test_overwritten_before_validate(kind: Kind, cloud: Cloud) -> None:
    versions = TwoVersions(cloud, "early")
    versions.overwrite()
    ended = cloud.run(versions.given)
    assert_ended(ended, kind)
    cloud.assert_loaded(ended, versions.old)
    assert versions.assert_new_can_be_loaded()["replaces"] == ended.data["load_id"]


def test_overwritten_before_validate_without_versions(kind: Kind, cloud: Cloud) -> None:
    versions = TwoVersions(cloud, "early-plain", UNVERSIONED)
    versions.overwrite()
    ended = cloud.run(versions.given)
    assert_ended(ended, kind)
    assert [reason["reason"] for reason in ended.data["reasons"]] == ["object_changed"]
    assert cloud.items_of(versions.old.name) == {}
    versions.assert_new_can_be_loaded()


def test_overwritten_before_split(kind: Kind, cloud: Cloud) -> None:
    versions = TwoVersions(cloud, "between")
    ended = cloud.run(versions.given, before={"split_file": versions.overwrite})
    assert_ended(ended, kind)
    cloud.assert_loaded(ended, versions.old)
    assert versions.assert_new_can_be_loaded()["replaces"] == ended.data["load_id"]


def test_overwritten_before_split_without_versions(kind: Kind, cloud: Cloud) -> None:
    versions = TwoVersions(cloud, "between-plain", UNVERSIONED)
    ended = cloud.run(versions.given, before={"split_file": versions.overwrite})
    assert_ended(ended, kind)
    assert cloud.items_of(versions.old.name) == {}
    assert_accounted(cloud, ended.data["load_id"], versions.old)
    versions.assert_new_can_be_loaded()


def test_overwritten_in_a_chunk(kind: Kind, cloud: Cloud) -> None:
    versions = TwoVersions(cloud, "within")
    with ExitStack() as faults:
        deed = in_a_chunk(cloud, faults, versions.overwrite)
        ended = cloud.run(versions.given, before={"write_chunk": deed})
    assert_ended(ended, kind)
    assert_no_second_try(cloud)
    cloud.assert_loaded(ended, versions.old)
    assert versions.assert_new_can_be_loaded()["replaces"] == ended.data["load_id"]


def test_overwritten_in_a_chunk_without_versions(kind: Kind, cloud: Cloud) -> None:
    versions = TwoVersions(cloud, "within-plain", UNVERSIONED)
    with ExitStack() as faults:
        deed = in_a_chunk(cloud, faults, versions.overwrite)
        ended = cloud.run(versions.given, before={"write_chunk": deed})
    assert_ended(ended, kind)
    assert all("ObjectChanged" in why for why in failed_chunks(ended).values())
    assert_accounted(cloud, ended.data["load_id"], versions.old)
    replayed = cloud.run(versions.given, "first-r1")
    assert "was overwritten before it was read" in replayed.cause, "the old bytes are nowhere"
    versions.assert_new_can_be_loaded()


def test_deleted_by_a_marker(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("marked")
    given = cloud.upload(file)
    with ExitStack() as faults:
        delete = partial(cloud.s3.delete_object, Bucket=UPLOADS, Key=given["key"])
        ended = cloud.run(given, before={"write_chunk": in_a_chunk(cloud, faults, delete)})
    assert "DeleteMarkers" in cloud.s3.list_object_versions(Bucket=UPLOADS)
    assert_ended(ended, kind)
    assert_no_second_try(cloud)
    cloud.assert_loaded(ended, file)


def test_deleted_for_good(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("destroyed")
    given = cloud.upload(file)

    def destroy() -> None:
        cloud.s3.delete_object(Bucket=UPLOADS, Key=given["key"], VersionId=given["version_id"])

    ended = cloud.run(given, before={"write_chunk": destroy})
    assert_ended(ended, kind)
    assert all("ObjectGone" in why for why in failed_chunks(ended).values())
    assert cloud.failed_calls == ["write_chunk"] * 5, "no second try"
    assert_accounted(cloud, ended.data["load_id"], file)
    replayed = cloud.run(given, "first-r1")
    assert [reason["reason"] for reason in replayed.data["reasons"]] == ["object_gone"]
    cloud.assert_loaded(cloud.run(cloud.upload(file), "second"), file)


@pytest.mark.exhaustive
def test_body_cut(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("cut")
    with cloud.wire.fault("GetObject", cut_body(1 / 3), times=4) as fault:
        ended = cloud.run(cloud.upload(file))
    begins = [dict(call.headers)["Range"].partition("-")[0] for call in fault.fired]
    assert len(set(begins)) == 4, "each goes on where the one before broke off"
    assert_ended(ended, kind)
    assert_no_second_try(cloud)
    cloud.assert_loaded(ended, file)


def test_body_cut_for_ever(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("cut-for-ever")
    given = cloud.upload(file)
    with ExitStack() as faults:
        cut = partial(faults.enter_context, cloud.wire.fault("GetObject", cut_body(0)))
        ended = cloud.run(given, before={"write_chunk": cut})
    assert_ended(ended, kind)
    assert_accounted(cloud, ended.data["load_id"], file)
    assert cloud.items_of(file.name) == {}
    cloud.assert_loaded(cloud.run(given, "first-r1"), file)


def test_body_slow(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("slow")
    given = cloud.upload(file)
    with cloud.wire.fault("GetObject", slowly(piece=512, pause=0.05)) as fault:
        ended = cloud.run(given)
    assert len(fault.fired) >= 7, "for Validate File, Split File and five chunks"
    assert_ended(ended, kind)
    assert_no_second_try(cloud)
    cloud.assert_loaded(ended, file)


@pytest.mark.exhaustive
def test_slow_down(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("slow-down")
    with cloud.wire.fault("GetObject", refuse("SlowDown", 503), times=2) as fault:
        ended = cloud.run(cloud.upload(file))
    assert len(fault.fired) == 2
    assert_ended(ended, kind)
    assert_no_second_try(cloud)
    cloud.assert_loaded(ended, file)


def test_get_denied(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("get-denied")
    given = cloud.upload(file)
    denied = refuse("AccessDenied", 403)
    with (
        cloud.wire.fault("HeadObject", denied) as heads,
        cloud.wire.fault("GetObject", denied) as gets,
    ):
        ended = cloud.run(given)
    assert (len(heads.fired), len(gets.fired)) == (1, 1), "no second try"
    assert_ended(ended, kind)
    assert [reason["reason"] for reason in ended.data["reasons"]] == ["access_denied"]
    assert cloud.items_of(file.name) == {}
    cloud.assert_loaded(cloud.run(given, "first-r1"), file)


def test_get_denied_in_split(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("get-denied-in-split")
    given = cloud.upload(file)
    with ExitStack() as faults:
        fault = cloud.wire.fault("GetObject", refuse("AccessDenied", 403))
        ended = cloud.run(given, before={"split_file": partial(faults.enter_context, fault)})
    assert_ended(ended, kind)
    assert ended.data["failed"]["split_file"]["Error"] == "ObjectUnreadable"
    assert cloud.failed_calls == ["split_file"], "no second try"
    assert cloud.items_of(file.name) == {}
    cloud.assert_loaded(cloud.run(given, "first-r1"), file)


@pytest.mark.exhaustive
def test_archived_in_a_chunk(kind: Kind, cloud: Cloud) -> None:
    file = ticket_file("archived")
    given = cloud.upload(file)
    with ExitStack() as faults:
        fault = cloud.wire.fault("GetObject", refuse("InvalidObjectState", 403))
        ended = cloud.run(given, before={"write_chunk": partial(faults.enter_context, fault)})
    assert_ended(ended, kind)
    told = failed_chunks(ended).values()
    assert all("ObjectUnreadable" in why and "Restore it" in why for why in told)
    assert cloud.failed_calls == ["write_chunk"] * 5, "no second try"
    assert_accounted(cloud, ended.data["load_id"], file)
    cloud.assert_loaded(cloud.run(given, "first-r1"), file)
