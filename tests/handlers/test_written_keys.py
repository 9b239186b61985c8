"""Corrected rows must not replace rows of the same file by accident."""

import gzip
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ingestion.ledger.loads import Loads
from tests.support.cloud import Cloud
from tests.support.cloud_stack import stack_of
from tests.support.one_key import HEADER
from tickets.errors import CommandError
from tickets.runs.resubmit import resubmit
from tickets.runs.written_keys import lines_with_written_keys


def row(ticket: Any, quantity: Any = 1, product: str = "Tea") -> bytes:
    return f"T{ticket},{product},B1,2025-11-23T08:00:00Z,,{quantity},Lyon\n".encode()


GOOD = b"".join(row(at) for at in range(30))
BAD = row(5, "two") + row(30, "two") + row(31, "two", '"a ""b"""')


@pytest.fixture(params=["100000", "300"], ids=["one chunk", "chunks"])
def load(request: Any, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The ledger's entry of a load of GOOD and BAD rows."""
    monkeypatch.setenv("CHUNK_SIZE_BYTES", request.param)
    load_id = cloud.load(cloud.put(HEADER + BAD + GOOD))["load_id"]
    return Loads(cloud.dynamodb, cloud.ledger_table).load(load_id)


@pytest.fixture
def corrected(tmp_path: Path) -> Path:
    path = tmp_path / "fix.csv"
    path.write_bytes(HEADER + BAD.replace(b",two,", b",2,"))
    return path


def test_rows_with_the_key_of_a_written_row_are_found(
    cloud: Cloud, load: Any, corrected: Path
) -> None:
    assert lines_with_written_keys(stack_of(cloud), load, corrected) == [2]
    corrected.write_bytes(gzip.compress(HEADER + row(30) + row(29) + row("x") + row(7, "three")))
    assert lines_with_written_keys(stack_of(cloud), load, corrected) == [3]


def test_they_are_refused_unless_they_are_meant_to_replace_it(
    cloud: Cloud, load: Any, corrected: Path
) -> None:
    execution: Any = SimpleNamespace(name="first", status="FAILED", ending="Load Failed", load=load)
    with pytest.raises(CommandError, match=r"written: 2\. They would replace that row"):
        resubmit(stack_of(cloud), execution, corrected)
    assert cloud.executions() == []
    resubmit(stack_of(cloud), execution, corrected, replace_rows=True)
    assert len(cloud.executions()) == 1


def test_without_digests_it_is_not_known(cloud: Cloud, load: Any, corrected: Path) -> None:
    found = cloud.s3.list_objects_v2(Bucket=cloud.work, Prefix="digests/")["Contents"]
    cloud.s3.delete_object(Bucket=cloud.work, Key=found[0]["Key"])
    assert lines_with_written_keys(stack_of(cloud), load, corrected) is None


def test_a_header_that_would_be_refused_is_refused_before_the_upload(
    cloud: Cloud, load: Any, corrected: Path
) -> None:
    corrected.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(CommandError, match="names one of the columns"):
        lines_with_written_keys(stack_of(cloud), load, corrected)
