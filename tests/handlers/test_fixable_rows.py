"""`tickets refused --fixable`: the header and the refused rows as they are in the file."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ingestion.ledger.loads import Loads
from ingestion.sources.catalogue import BUILT_IN_FILE, BUNDLED, Sources
from ingestion.sources.declaration import read_source
from ingestion.tasks.listed_rows import listed_rows
from tests.support.cloud import Cloud
from tests.support.cloud_stack import stack_of
from tests.support.one_key import HEADER
from tests.support.sources import BUILT_IN
from tickets.cli.output_file import output_file
from tickets.errors import CommandError
from tickets.runs import fixable_rows
from tickets.runs.fixable_rows import FixableRows, save_fixable_rows, values_of
from tickets.runs.loaded_file import LoadedFile
from tickets.runs.resubmit import resubmit


@pytest.fixture(autouse=True)
def one_chunk(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNK_SIZE_BYTES", "1000000")


def row(ticket: Any, product: str = "Tea", quantity: str = "1", store: str = "Lyon") -> bytes:
    return f"T{ticket},{product},B1,2025-11-23T08:00:00Z,,{quantity},{store}\n".encode()


LONG = "x" * 5000
GOOD = b"".join(row(at) for at in range(30))
BAD = [
    b"=T30,Tea,B1,2025-11-23T08:00:00Z,,two,Lyon\n",
    b"'=T31,Tea,B1,2025-11-23T08:00:00Z,,two,Lyon\n",
    row(32, LONG, quantity="two"),
    row(33, '"two\r\nlines"', quantity="two"),
    b"T34,Caf\xe9,B1,2025-11-23T08:00:00Z,,1,Lyon\n",
    row(35, r"\xe9", quantity="two"),
    row(36),
]
FILE = HEADER + GOOD + b"".join(BAD) + row(36) + row(37, LONG, quantity="three") + GOOD
FIXABLE = HEADER + b"".join(BAD[:-1]) + row(37, LONG, quantity="three")
"""The expected file: without the superseded row T36, and without the rows of the first GOOD."""


def loaded(cloud: Cloud, body: bytes) -> Any:
    """The ledger's entry of a load of the file."""
    load_id = cloud.load(cloud.put(body))["load_id"]
    return Loads(cloud.dynamodb, cloud.ledger_table).load(load_id)


def saved(cloud: Cloud, load: Any, path: Path) -> tuple[bytes, FixableRows]:
    with output_file(path, force=False) as file:
        counts = save_fixable_rows(stack_of(cloud), load, load["refused_rows"], file)
    return path.read_bytes(), counts


@pytest.fixture
def declare(
    monkeypatch: pytest.MonkeyPatch, fresh_clients: Callable[[], None]
) -> Callable[..., None]:
    """Deploys the built-in source with other properties, for all keys."""

    def deploy(**properties: Any) -> None:
        declaration = json.loads((BUNDLED / BUILT_IN_FILE).read_text())
        declaration |= {"name": "tills", "match": ["**"], **properties}
        source = read_source(json.dumps(declaration).encode(), "tills.json")
        monkeypatch.setattr(
            "handlers.validate_file.deployed_sources", lambda: Sources(BUILT_IN, [source])
        )
        fresh_clients()

    return deploy


@pytest.mark.parametrize("chunk_size", ["100000", "300"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_the_rows_are_those_of_the_file_byte_by_byte(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pack: Any, chunk_size: str
) -> None:
    monkeypatch.setenv("CHUNK_SIZE_BYTES", chunk_size)
    content, counts = saved(cloud, loaded(cloud, pack(FILE)), tmp_path / "rows.csv")
    assert content == FIXABLE
    assert counts == FixableRows(rows=7, too_long=0)


TITLE = "Umsätze\nStand heute\n"
TILL = "ticket_id;product;basket_id;timestamp;category;quantity;store\r\n"
GOOD_TILL = "T1;Käse;B1;2025-11-23T08:00:00Z;;1;Lyon\r\n" * 3
BAD_TILL = "T2;Käse;B1;2025-11-23T08:00:00Z;;zwei;Lyon\r\n"


@pytest.mark.parametrize("encoding", ["windows-1252", "utf-16", "cp850"])
def test_encoding_delimiter_and_line_ends_stay_and_lines_above_the_header_are_left_out(
    cloud: Cloud, tmp_path: Path, declare: Callable[..., None], encoding: str
) -> None:
    declare(encoding=encoding)
    body = (TITLE + TILL + GOOD_TILL + BAD_TILL).encode(encoding)
    content, _ = saved(cloud, loaded(cloud, body), tmp_path / "rows.csv")
    assert content == (TILL + BAD_TILL).encode(encoding)


def test_bytes_that_the_encoding_does_not_define_stay(
    cloud: Cloud, tmp_path: Path, declare: Callable[..., None]
) -> None:
    declare(encoding="windows-1252")
    undecodable = BAD[4].replace(b"\xe9", b"\xe9\x81")
    content, _ = saved(cloud, loaded(cloud, HEADER + GOOD + undecodable), tmp_path / "rows.csv")
    assert content == HEADER + undecodable


def test_corrected_they_are_loaded(
    cloud: Cloud, tmp_path: Path, declare: Callable[..., None]
) -> None:
    declare(encoding="utf-16", match=["store-12/*"])
    load_id = cloud.load(cloud.put((TILL + GOOD_TILL + BAD_TILL).encode("utf-16")))["load_id"]
    load = Loads(cloud.dynamodb, cloud.ledger_table).load(load_id)
    content, _ = saved(cloud, load, tmp_path / "rows.csv")
    text = content.decode("utf-16").replace("zwei", "2")
    (tmp_path / "rows.csv").write_bytes(text.encode("utf-16"))
    execution: Any = SimpleNamespace(name="first", status="FAILED", ending="Load Failed", load=load)
    started = resubmit(stack_of(cloud), execution, tmp_path / "rows.csv", None)
    [begun] = [one for one in cloud.executions() if one["name"] == started.execution]
    assert cloud.run(begun["input"], started.execution).ended_in == "Loaded"
    found = {item["ticket_id"]: (item["product"], item["quantity"]) for item in cloud.items()}
    assert found == {"T1": ("Käse", 1), "T2": ("Käse", 2)}


def test_a_file_without_a_header_gives_rows_only(
    cloud: Cloud, tmp_path: Path, declare: Callable[..., None]
) -> None:
    declare(dialect={"header": False})
    content, _ = saved(cloud, loaded(cloud, GOOD + BAD[0]), tmp_path / "rows.csv")
    assert content == BAD[0]


def test_rows_whose_text_is_listed_are_not_read_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load = loaded(cloud, HEADER + GOOD + BAD[3] + BAD[3])
    monkeypatch.setattr(LoadedFile, "records", lambda *_: pytest.fail("read again"))
    content, _ = saved(cloud, load, tmp_path / "rows.csv")
    assert content == HEADER + BAD[3] + BAD[3]


def test_only_the_chunk_of_a_row_is_read_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHUNK_SIZE_BYTES", "300")
    load = loaded(cloud, FILE)
    read, starts = LoadedFile.records, []

    def records(file: LoadedFile, start: Any, lines_before: int) -> Any:
        starts.append((start, lines_before))
        return read(file, start, lines_before)

    monkeypatch.setattr(LoadedFile, "records", records)
    saved(cloud, load, tmp_path / "rows.csv")
    long_row = FILE.index(b"T37,")
    assert starts[0][0] > len(HEADER + GOOD) - 600
    assert starts[-1][0] > long_row - 600
    assert starts[-1][1] == FILE[: starts[-1][0]].count(b"\n")


def test_rows_longer_than_a_mebibyte_are_left_out_and_counted(cloud: Cloud, tmp_path: Path) -> None:
    too_long = row(38, "x" * 1024 * 1024)
    content, counts = saved(cloud, loaded(cloud, HEADER + GOOD + too_long), tmp_path / "rows.csv")
    assert (content, counts) == (HEADER, FixableRows(rows=0, too_long=1))


def test_nothing_is_written_if_the_object_is_gone(cloud: Cloud, tmp_path: Path) -> None:
    load = loaded(cloud, FILE)
    cloud.s3.delete_object(Bucket=load["bucket"], Key=load["key"], VersionId=load["version_id"])
    with pytest.raises(CommandError, match="can't be written without it"):
        saved(cloud, load, tmp_path / "rows.csv")
    assert not (tmp_path / "rows.csv").exists()


def test_an_interrupted_file_is_deleted(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load = loaded(cloud, FILE)

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(fixable_rows, "read_refused_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        saved(cloud, load, tmp_path / "rows.csv")
    assert not (tmp_path / "rows.csv").exists()


def test_the_value_that_a_row_is_refused_for_is_known(cloud: Cloud) -> None:
    load = loaded(cloud, FILE)
    rows = [one for one in listed_rows(cloud.s3, load["refused_rows"]) if one.line > 31]
    found = values_of(stack_of(cloud), load, rows)
    assert {one.line: value for one, value in zip(rows, found, strict=True)} == {
        32: "two",
        33: "two",
        34: None,  # the value is behind the first 2,000 bytes
        35: "two",
        37: r"Caf\xe9",
        38: "two",
        39: None,  # superseded
        41: None,
    }
