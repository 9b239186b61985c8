"""Files that commands write: never overwritten unasked, and `-` is standard output."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import REFUSED_ROWS, assert_sentence, tickets
from tests.support.step_functions import StepFunctions, loaded_visits
from tickets.cli.output_file import output_file
from tickets.runs.stack import Stack

SAMPLE = ("--rows", "20", "--seed", "7")


@pytest.mark.usefixtures("alone")
def test_a_file_is_overwritten_with_force_only() -> None:
    file = Path("mine.csv")
    file.write_text("precious")
    assert_sentence(tickets("sample", "mine.csv", *SAMPLE), "mine.csv exists already: pass --force")
    assert file.read_text() == "precious"
    assert tickets("sample", "mine.csv", *SAMPLE, "--force").exit_code == 0
    assert file.read_text().startswith("ticket_id,")


@pytest.mark.usefixtures("alone")
def test_the_sample_on_standard_output_is_the_file_and_nothing_else() -> None:
    assert tickets("sample", "made.csv", *SAMPLE).exit_code == 0
    written = tickets("sample", "-", *SAMPLE)
    assert written.stdout_bytes == Path("made.csv").read_bytes()
    assert written.stderr.startswith("-: 20 rows")
    assert not Path("-").exists()


def test_refused_rows_are_saved_like_any_file(stack: Stack, step_functions: StepFunctions) -> None:
    step_functions.add("a", visits=loaded_visits())
    Path("saved.csv").write_text("precious")
    assert_sentence(tickets("refused", "a", "--output", "saved.csv"), "--force")
    assert Path("saved.csv").read_text() == "precious"
    assert tickets("refused", "a", "-o", "saved.csv", "--force").exit_code == 0
    saved = Path("saved.csv").read_bytes()
    assert saved.count(b"bad_quantity") == 1
    assert len(saved.splitlines()) == 1 + len(REFUSED_ROWS) + 1  # a row of two lines
    printed = tickets("refused", "a", "--output", "-")
    assert (printed.stdout_bytes, printed.stderr) == (saved, "")


def test_a_drafted_source_does_not_replace_another(stack: Stack) -> None:
    Path("shop.json").write_text("{}")
    result = tickets("sources", "draft", "rows.csv", "--output", "shop.json")
    assert_sentence(result, "shop.json exists already")
    assert Path("shop.json").read_text() == "{}"


def test_an_incomplete_file_is_removed(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        with output_file(path, force=True) as file:
            file.write(b"half")
            raise OSError("no space left")

    for path in (tmp_path / "new.csv", Path(os.devnull)):
        with pytest.raises(OSError, match="no space"):
            fail(path)
    assert list(tmp_path.iterdir()) == []
    assert Path(os.devnull).exists()


@pytest.mark.usefixtures("alone")
def test_devices_may_always_be_written_to() -> None:
    assert tickets("sample", os.devnull, *SAMPLE).exit_code == 0


@pytest.mark.exhaustive
def test_a_name_that_is_not_utf8_is_written_and_read(tmp_path: Path) -> None:
    """Runs in a separate process, because arguments in this process are text already."""
    name = b"caf\xe9.csv"
    command = [sys.executable, "-c", "from tickets.cli.main import main; main()"]

    def ran(*arguments: str | bytes) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*command, *arguments], cwd=tmp_path, capture_output=True, check=False
        )

    assert ran("sample", name, *SAMPLE).returncode == 0
    assert ran("sample", "same.csv", *SAMPLE).returncode == 0
    made = tmp_path / os.fsdecode(name)
    assert made.read_bytes() == (tmp_path / "same.csv").read_bytes()
    checked = ran("check", name)
    assert (checked.returncode, checked.stderr) == (0, b"")
    for refused in (ran("check", b"\xff.csv"), ran("show", b"\xff", "--region", "eu-west-1")):
        assert refused.returncode == 2
        assert refused.stderr.count(b"\n") == 1
        assert not refused.stderr.startswith(b"Unexpected")


def test_a_name_that_is_not_utf8_needs_a_key(stack: Stack, step_functions: StepFunctions) -> None:
    name = os.fsdecode(b"caf\xe9.csv")
    Path(name).write_bytes(Path("rows.csv").read_bytes())
    assert_sentence(tickets("ingest", name), "is not UTF-8, as keys in S3 must be: pass --key")
    assert tickets("ingest", name, "--key", "cafe.csv").exit_code == 0
