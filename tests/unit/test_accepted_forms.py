"""A file in any form that the built-in contract accepts gives the same items as in the usual form.

`make fuzz` does this with 10,000 files.
"""

import csv
import io
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.fuzzing import FUZZING, SEED, files
from tests.support.random_forms import Form, in_form, random_form, same
from tests.support.stack_in_memory import StackInMemory
from tickets.sample import write_sample

FILES = files(quick=20)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[list[list[str]]]:
    """The rows of files. A row that lacks its last field is left out, because a delimiter at its
    end would complete it."""
    path: Path = tmp_path_factory.mktemp("samples") / "a.csv"
    made = []
    for seed in range(5):
        write_sample(path, 60, seed)
        text = path.read_bytes().decode()
        _, *rows = csv.reader(io.StringIO(text, newline=""))
        made.append([row for row in rows if len(row) > 6])
    return made


def in_table(stack: StackInMemory) -> dict[Any, Any]:
    return {
        key: {name: text for name, value in item.items() for text in value.values()}
        for key, item in stack.table.items.items()
    }


def not_in_table(stack: StackInMemory, lines_above: int) -> list[tuple[int, str, str]]:
    """The lines, counted from the header, columns and reasons of the rows that are listed."""
    url = stack.report["refused_rows"]
    if url is None:
        return []
    rows = csv.DictReader(io.StringIO(stack.read_url(url).decode(), newline=""))
    return [(int(row["line"]) - lines_above, row["column"], row["reason"]) for row in rows]


@pytest.mark.timeout(3600 if FUZZING else 120)
def test_a_file_in_another_form_gives_the_same_items(
    samples: list[list[list[str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    seen: Counter[str] = Counter()
    for number in range(FILES):
        rng = Random(f"forms-{SEED}-{number}")
        rows = rng.choice(samples)
        form = random_form(rng)
        body = in_form(form, rows, rng)
        plain, other = (StackInMemory(rng.choice((150, 1_000, 100_000))) for _ in range(2))
        plain.load(in_form(Form(end=form.end), rows))
        other.load(body)
        where = f"file {number}: {form}"
        assert other.verdict["verdict"] == "accepted", f"{where}: {other.verdict['summary']}"
        above = len(form.above)
        assert not_in_table(other, above) == not_in_table(plain, 0), where
        expected = in_table(plain)
        for item in expected.values():
            item["timestamp"] = form.timestamp(item["timestamp"]).strip()
        assert in_table(other) == expected, where
        lines = plain.report["lines"]
        lines |= {"skipped": above, "total": lines["total"] + above}
        assert other.report["lines"] == lines
        assert lines["total"] == body.count(b"\n")
        seen.update(
            {
                "lines above": bool(above),
                "delimiters at the end": bool(form.header_ends) + bool(form.rows_end),
                "quantities": form.quantity is not same,
                "timestamps": form.timestamp is not same,
                "several chunks": len(other.chunks) > 1,
                "items": len(expected),
            }
        )
    assert min(seen.values()) > FILES / 4
    if FUZZING:
        with capsys.disabled():
            print(f"\naccepted forms, {FILES:,} files: {dict(seen)}")
