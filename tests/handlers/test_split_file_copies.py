"""split_file: copies of files that aren't UTF-8, lines before chunks, and the loads with both."""

import csv
import gzip
import io
import itertools
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from handlers import split_file, validate_file
from ingestion.sources.catalogue import BUILT_IN_FILE, BUNDLED, Sources
from ingestion.sources.declaration import read_source
from ingestion.tasks import split_file as task
from tests.support.cloud import Cloud
from tests.support.sources import BUILT_IN

HEADER = "ticket_id;product;basket_id;timestamp;category;quantity;store\r\n"
TRUSTED = {"dynamodb": {"lineEnds": "trusted"}}
LINES = {"dynamodb": {"values": {"file_line": "{line}"}}}

Declare = Callable[..., None]


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]) -> Declare:
    """Deploys a source for `exports/` that is the built-in one with other properties."""

    def deploy(**properties: Any) -> None:
        declaration = json.loads((BUNDLED / BUILT_IN_FILE).read_text(encoding="utf-8"))
        declaration |= {"name": "exports", "match": ["exports/**"], **properties}
        sources = Sources(BUILT_IN, [read_source(json.dumps(declaration).encode(), "exports.json")])
        monkeypatch.setattr(validate_file, "deployed_sources", lambda: sources)
        monkeypatch.setenv("CHUNK_SIZE_BYTES", "4000")
        fresh_clients()

    return deploy


def export(rows: int = 1_500) -> str:
    """Every third product has line ends within quotes, up to 40 in one row."""
    lines = ["Export;Köln\r\n", HEADER]
    for at in range(rows):
        product = '"Thé\nvert ½' + "\n" * (at % 40) + '"' if at % 3 == 0 else f"Käse {at}"
        lines.append(f"T{at};{product};B;2025-11-23T08:00:00Z;;1;Köln\r\n")
    return "".join(lines)


def chunk_texts(cloud: Cloud, chunks: list[dict[str, Any]]) -> Iterator[str]:
    for chunk in chunks:
        yield cloud.read(chunk["bucket"], chunk["key"])[chunk["start"] : chunk["end"]].decode()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("encoding", ["cp1252", "iso8859_1", "cp850", "utf_16"])
def test_the_chunks_are_ranges_of_a_copy_in_utf8(
    cloud: Cloud, declare: Declare, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    declare(encoding=encoding)
    text = export()
    state, chunks = cloud.plan(cloud.put(pack(text.encode(encoding)), "exports/a.csv"))
    [key] = {chunk["key"] for chunk in chunks}
    assert key == f"unpacked/{state['load_id']}.{encoding}.csv"
    assert cloud.read(cloud.work, key).decode() == text
    assert len(chunks) > 3
    assert "".join(chunk_texts(cloud, chunks)) == text.partition(HEADER)[2]
    assert all(one.startswith("T") for one in chunk_texts(cloud, chunks))
    assert state["plan"]["data_end"] == len(text.encode())
    assert {chunk["lines_before"] for chunk in chunks} == {None}


@pytest.mark.parametrize(
    ("properties", "write"),
    [
        (LINES, str.encode),
        (LINES, lambda text: gzip.compress(text.encode())),
        (LINES | {"encoding": "utf-16"}, lambda text: text.encode("utf-16")),
        # Trusted line ends don't help to find boundaries.
        ({"dynamodb": LINES["dynamodb"] | {"lineEnds": "trusted"}}, str.encode),
    ],
    ids=["plain", "gzip", "utf-16", "trusted line ends"],
)
def test_a_source_with_line_numbers_knows_the_lines_before_each_chunk(
    cloud: Cloud,
    declare: Declare,
    monkeypatch: pytest.MonkeyPatch,
    properties: dict[str, Any],
    write: Callable[[str], bytes],
) -> None:
    monkeypatch.setattr(task, "LINES_STEP", 1_500)
    declare(**properties)
    text = export()
    _, chunks = cloud.plan(cloud.put(write(text), "exports/a.csv"))
    assert len(chunks) > 3
    starts = [chunk["start"] for chunk in chunks]
    assert [chunk["lines_before"] for chunk in chunks] == [
        text.encode()[:start].count(b"\n") for start in starts
    ]


def test_a_file_without_rows_has_no_lines_to_count(cloud: Cloud, declare: Declare) -> None:
    declare(**LINES)
    _, chunks = cloud.plan(cloud.put(HEADER.encode(), "exports/a.csv"))
    assert chunks == []


def test_each_encoding_has_its_own_copy(cloud: Cloud, declare: Declare) -> None:
    """Plans of both may be used at the same time, or again later."""
    given = cloud.put(export().encode("cp1252"), "exports/a.csv")
    copies = []
    for encoding in ("cp1252", "iso8859_1", "cp1252"):
        declare(encoding=encoding)
        _, chunks = cloud.plan(given)
        copies.append(cloud.read(cloud.work, chunks[0]["key"]).decode())
    assert copies[0] == copies[2] == export()
    assert "½" in copies[1]  # both have it at the same byte


def refusal(cloud: Cloud, given: dict[str, Any], before: Callable[[], None]) -> Any:
    state = cloud.validate(given)
    assert state["verdict"] == "accepted"
    before()
    plan = cloud.call("split_file", {name: state[name] for name in ("load_id", "file")})
    assert "Contents" not in cloud.s3.list_objects_v2(Bucket=cloud.work)
    assert "Uploads" not in cloud.s3.list_multipart_uploads(Bucket=cloud.work)
    return plan["refusal"]


def test_a_copy_that_becomes_too_large_is_given_up(
    cloud: Cloud, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(encoding="cp1252")
    body = export().encode("cp1252")
    limit = partial(monkeypatch.setattr, task, "MAX_UNPACKED_BYTES", len(body))
    found = refusal(cloud, cloud.put(body, "exports/a.csv"), limit)
    assert found["reason"] == "file_too_large"
    assert f"more than {len(body):,} bytes as UTF-8" in found["detail"]


@pytest.mark.parametrize("properties", [{"encoding": "cp1252"}, LINES])
def test_a_file_that_must_be_read_as_a_whole_may_take_too_long(
    cloud: Cloud, declare: Declare, monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]
) -> None:
    declare(**properties)
    body = export().encode("ascii", "replace")

    def slow() -> None:
        clock = itertools.count(step=1_000)
        monkeypatch.setattr(split_file._planner(), "_clock", lambda: next(clock))

    found = refusal(cloud, cloud.put(body, "exports/a.csv"), slow)
    assert found["reason"] == "out_of_time"


@pytest.mark.parametrize("properties", [{"encoding": "cp1252"}, LINES, TRUSTED, {}])
def test_the_limit_of_files_that_must_be_read_as_a_whole(
    cloud: Cloud, declare: Declare, monkeypatch: pytest.MonkeyPatch, properties: dict[str, Any]
) -> None:
    declare(**properties)
    body = export().encode("ascii", "replace")
    monkeypatch.setattr("ingestion.tasks.validate_file.MAX_UNPACKED_BYTES", len(body) - 1)
    state = cloud.validate(cloud.put(body, "exports/a.csv"))
    reasons = [reason["reason"] for reason in state["reasons"]]
    assert reasons == (["file_too_large"] if properties else [])


def test_a_file_in_another_encoding_than_declared_is_refused(
    cloud: Cloud, declare: Declare
) -> None:
    declare(encoding="cp1252")
    state = cloud.validate(cloud.put(export().encode(), "exports/a.csv"))
    assert [reason["reason"] for reason in state["reasons"]] == ["wrong_encoding"]
    assert "is UTF-8 text" in state["summary"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("encoding", ["cp1252", "utf_16"])
def test_a_load_in_a_declared_encoding(
    cloud: Cloud, declare: Declare, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    """Exactly the row that can't be decoded is refused, and the others know their lines."""
    declare(encoding=encoding, **LINES)
    text = export(rows=400)
    body = text.encode(encoding)
    good, bad = "Käse 100".encode(encoding), "Käse \ud800".encode("utf-16", "surrogatepass")
    if encoding == "utf_16":
        good, bad = good[2:], bad[2:]
    else:
        bad = b"K\xe4se \x81"
    assert body.count(good) == 1
    execution = cloud.run(cloud.put(pack(body.replace(good, bad)), "exports/a.csv"))
    assert execution.ended_in == "Loaded", execution.cause
    at_line = 1 + text[: text.index("T100;")].count("\n")
    [refused] = cloud.refused_rows(execution.data["result"]["refused_rows"])
    assert (refused.line, refused.column, refused.reason) == (at_line, "product", "undecodable")
    rows = csv.DictReader(io.StringIO(text.partition("\n")[2], newline=""), delimiter=";")
    expected = {
        row["ticket_id"]: (
            row["product"],
            1 + text[: text.index(f"\n{row['ticket_id']};") + 1].count("\n"),
        )
        for row in rows
        if row["ticket_id"] != "T100"
    }
    found = {item["ticket_id"]: (item["product"], int(item["file_line"])) for item in cloud.items()}
    assert found == expected
