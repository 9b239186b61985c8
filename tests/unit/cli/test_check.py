"""`tickets check` and `tickets sources draft` on the command line."""

import io
import json
import os
import re
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.command_line import assert_sentence, lines, tickets
from tests.support.retail_files import FILES
from tickets.cli.check import sources_for
from tickets.runs.sources import find_sources
from tickets.sample import HEADER as NAMES

HEADER = f"{NAMES}\n"
ROWS = "T1,Soap,B1,2026-03-01T12:00Z,Home,1,Lyon\nT2,Soap,B1,2026-03-01T12:00Z,,2,Lyon\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of sources with a draft of the German till's export."""
    file = tmp_path / "kassenbon_2010-12.csv"
    file.write_bytes(FILES[file.name]())
    folder = tmp_path / "sources"
    folder.mkdir()
    drafted = tickets("sources", "draft", str(file), "--output", str(folder / "kassenbon.json"))
    assert drafted.exit_code == 0, drafted.output
    return folder


def test_a_good_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(HEADER + ROWS)
    result = tickets("check", str(path))
    assert result.exit_code == 0
    assert "would succeed, with source tickets" in result.output
    assert "2 rows read = 2 written + 0 superseded + 0 refused" in result.output
    assert "2 write units: 0.0 s at 4,000 per second, less than $0.01" in result.output


def test_a_bad_file_fails_although_another_one_is_good(tmp_path: Path) -> None:
    good, bad = tmp_path / "a.csv", tmp_path / "b.csv"
    good.write_text(HEADER + ROWS)
    bad.write_text(HEADER + "T1,Soap,B1,2026-03-01T12:00Z,Home,two,Lyon\n")
    result = tickets("check", str(bad), str(good), "--json")
    assert result.exit_code == 1
    first, second = lines(result)
    assert (first["would_succeed"], second["would_succeed"]) == (False, True)
    assert first["refused"] == [
        {"column": "quantity", "reason": "bad_quantity", "rows": 1, "lines": [2]}
    ]
    assert second["columns"][0] == {
        "column": "ticket_id",
        "attribute": "ticket_id",
        "type": "S",
    }


def test_a_declared_file_is_explained(folder: Path) -> None:
    file = folder.parent / "kassenbon_2010-12.csv"
    result = tickets("check", str(file), "--sources", str(folder), "--writes-per-second", "10")
    assert result.exit_code == 0, result.output
    assert "would succeed, with source kassenbon" in result.output
    assert 'Windows-1252, delimiter ";", header in line 1' in result.output
    assert re.search(r"Menge +quantity +N +2\.23 · 1\.942 · 0\.054", result.output)
    assert "line 17 has the same key as line 19" in result.output
    assert "60 write units: 6.0 s at 10 per second" in result.output


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickets.check.check.sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"a\n")))
    assert tickets("check", "-").exit_code == 1


def test_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=[HEADER + ROWS], daemon=True)
    writer.start()
    result = tickets("check", str(pipe))
    assert "2 rows read = 2 written" in result.output, result.output
    writer.join(10)


@pytest.mark.parametrize(
    ("content", "is_suggested"), [(b"", False), (b"a\0b\n", False), (b"a,b\n1,2\n", True)]
)
def test_a_draft_is_suggested_if_it_can_help(
    tmp_path: Path, content: bytes, is_suggested: bool
) -> None:
    path = tmp_path / "week 47.csv"
    path.write_bytes(content)
    hint = f"`tickets sources draft '{path}'`"
    assert (hint in tickets("check", str(path)).output) == is_suggested


def test_which_source_applies(folder: Path) -> None:
    declared = json.loads((folder / "kassenbon.json").read_text())
    declared |= {"match": ["kassenbon_*.csv"]}
    (folder / "kassenbon.json").write_text(json.dumps(declared))
    known = find_sources(folder)
    for key in ("kassenbon_7.csv", "in/kassenbon_7.csv", "/exports/kassenbon_7.csv"):
        assert sources_for(known, key, None).source_for("any").name == "kassenbon"
    assert sources_for(known, "a.csv", None).source_for("any").name == "tickets"
    assert sources_for(known, "a.csv", "kassenbon").source_for("any").name == "kassenbon"


def test_an_unknown_source_is_named_with_those_that_there_are(folder: Path) -> None:
    result = tickets("check", "a.csv", "--source", "kassa", "--sources", str(folder))
    assert_sentence(result, "There is no source kassa. There are: tickets, kassenbon.")


def test_a_missing_file(tmp_path: Path) -> None:
    result = tickets("check", str(tmp_path / "none.csv"))
    assert_sentence(result, "No such file")


def test_a_draft_goes_to_standard_output_and_its_guesses_to_standard_error(tmp_path: Path) -> None:
    file = tmp_path / "umsatz.csv"
    file.write_bytes(FILES["umsatz.csv"]())
    result = tickets("sources", "draft", str(file), "--name", "sales")
    assert json.loads(result.stdout)["name"] == "sales"
    question = "QUESTION: match: Which keys will such files have in S3?"
    assert question in result.stderr.splitlines()
    assert question in json.loads(result.stdout)["description"]
    assert "100 % of 60" in result.stderr


def test_titles_can_not_control_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("\x1b[Jid,n\n1,2\n2,3\n")
    result = tickets("sources", "draft", str(file))
    assert "␛[Jid" in result.stderr
    assert "\x1b" not in result.stderr


def test_a_draft_never_overwrites_a_declaration(folder: Path) -> None:
    written = (folder / "kassenbon.json").read_bytes()
    result = tickets(
        "sources",
        "draft",
        str(folder.parent / "kassenbon_2010-12.csv"),
        "--output",
        str(folder / "kassenbon.json"),
    )
    assert_sentence(result, "exists already")
    assert (folder / "kassenbon.json").read_bytes() == written
