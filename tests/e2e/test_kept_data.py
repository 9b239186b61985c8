"""`tickets local start --keep FOLDER`: what the next start finds, and what a kill loses."""

import os
import signal
from pathlib import Path

import pytest

from tests.support.load_assertions import assert_loaded
from tests.support.running_stack import RunningStack
from tests.support.ticket_files import TicketFile
from tickets.local.deployment import local_stack

pytestmark = [pytest.mark.exhaustive, pytest.mark.timeout(300)]


def test_tables_buckets_and_history_are_there_after_the_next_start(tmp_path: Path) -> None:
    keep = tmp_path / "kept"
    file, later, lost = (TicketFile(name).rows(40) for name in ("first", "later", "lost"))
    with local_stack(keep=keep) as local:
        first = RunningStack(local)
        arn = first.execution_of(first.upload("kept/first.csv", file.body))
        loaded = first.ended(arn)
        assert_loaded(first, loaded, file)
        description = local.description()

    with local_stack(keep=keep) as local:
        assert local.description() == description
        again = RunningStack(local)
        assert_loaded(again, again.describe(arn), file)
        # Uploads still reach the queue, and the functions still have their permissions.
        upload = again.upload("kept/later.csv", later.body)
        assert_loaded(again, again.ended(again.execution_of(upload)), later)

    with local_stack(keep=keep) as local:
        third = RunningStack(local)
        third.ended(third.execution_of(third.upload("kept/lost.csv", lost.body)))
        os.kill(local.engine.pid, signal.SIGKILL)
        assert local.engine.wait(30) == -signal.SIGKILL

    with local_stack(keep=keep) as local:
        fourth = RunningStack(local)
        assert len(fourth.executions("kept/later.csv")) == 1
        assert fourth.executions("kept/lost.csv") == []
        listed = fourth.s3.list_object_versions(Bucket=local.stack.upload_bucket)
        assert {one["Key"] for one in listed["Versions"]} == {"kept/first.csv", "kept/later.csv"}
