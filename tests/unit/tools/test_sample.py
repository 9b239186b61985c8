"""`tickets sample`: the same bytes for a seed, realistic, and with the bad rows that it claims."""

import csv
import hashlib
import io
from collections import Counter
from pathlib import Path

import pytest

from ingestion.csv_files.rows import COLUMNS, NoRow, Refusal, Row, RowReader
from ingestion.csv_files.sections import read_sections
from tests.support.sources import BUILT_IN
from tickets.sample import HEADER, Sample, write_sample


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return write_sample(tmp_path_factory.mktemp("sample") / "tickets.csv", 20_000, 1)


def read_outcomes(content: bytes) -> list[Row | Refusal | NoRow]:
    """Every row as the loader reads it: an item or a refusal."""
    columns = {column: at for at, column in enumerate(COLUMNS)}
    rows = RowReader(BUILT_IN, columns, len(COLUMNS), b",", ("ticket_id", "product"))
    data = content.partition(b"\r\n")[2]
    sections = read_sections([data], rows.layout, ends_file=True)
    return [rows.read(record) for section in sections for record in section.records()]


def test_a_seed_gives_the_same_bytes_on_every_machine_and_python_version(tmp_path: Path) -> None:
    write_sample(tmp_path / "tickets.csv", 5_000, 42)
    content = (tmp_path / "tickets.csv").read_bytes()
    assert hashlib.sha256(content).hexdigest() == (
        "2874fa6e296412ede7441f4a9fcead9862c5e7213645ad914a57fa616006f85b"
    )


def test_another_seed_gives_another_file(tmp_path: Path) -> None:
    write_sample(tmp_path / "one.csv", 100, 1)
    write_sample(tmp_path / "two.csv", 100, 2)
    assert (tmp_path / "one.csv").read_bytes() != (tmp_path / "two.csv").read_bytes()


@pytest.mark.parametrize("rows", [0, 1, 2, 9, 100, 1_234])
def test_it_has_exactly_the_number_of_rows_asked_for(tmp_path: Path, rows: int) -> None:
    made = write_sample(tmp_path / "tickets.csv", rows, 3)
    content = (tmp_path / "tickets.csv").read_bytes()
    assert made.rows == rows == len(read_outcomes(content))
    assert made.size == len(content)


def test_no_rows_leave_a_header(tmp_path: Path) -> None:
    write_sample(tmp_path / "tickets.csv", 0, 1)
    assert (tmp_path / "tickets.csv").read_bytes() == HEADER.encode() + b"\r\n"


def test_it_has_a_bad_row_of_each_kind_and_no_other(sample: Sample) -> None:
    outcomes = read_outcomes(sample.path.read_bytes())
    refusals = Counter(outcome.reason for outcome in outcomes if isinstance(outcome, Refusal))
    assert refusals == {
        "bad_quantity": 2,  # a word, and a fraction
        "bad_timestamp": 1,
        "missing_value": 1,
        "too_few_fields": 1,
        "too_many_fields": 1,
        "malformed_quote": 1,
        "value_too_long": 1,
    }
    assert sample.bad_rows == refusals.total()


def test_repeated_keys_are_as_many_as_it_says_and_close_together(sample: Sample) -> None:
    keys: dict[object, int] = {}
    distances = []
    for at, outcome in enumerate(read_outcomes(sample.path.read_bytes())):
        if isinstance(outcome, Row):
            if outcome.key in keys:
                distances.append(at - keys[outcome.key])
            keys[outcome.key] = at
    assert len(distances) == sample.repeated_rows >= 2
    assert max(distances) < 20


def test_an_independent_reader_finds_the_awkward_names_and_the_long_tail(sample: Sample) -> None:
    text = sample.path.read_bytes().decode()
    products = Counter(row["product"] for row in csv.DictReader(io.StringIO(text, newline="")))
    for character in (",", '"', "\n", "é"):
        assert any(character in product for product in products), character
    (_, most), *_, (_, least) = products.most_common()
    assert most > 1_000
    assert least == 1


def test_short_samples_show_bad_rows_too(tmp_path: Path) -> None:
    made = write_sample(tmp_path / "tickets.csv", 200, 1)
    assert (made.bad_rows, made.repeated_rows) >= (8, 2)


@pytest.mark.parametrize("rows", [10, 13, 24, 25, 49, 100, 159, 200, 1_234])
def test_no_sample_has_more_bad_rows_than_a_load_may_refuse(tmp_path: Path, rows: int) -> None:
    made = write_sample(tmp_path / "tickets.csv", rows, 1)
    assert made.bad_rows <= rows * 0.05
