"""Templates, filled row by row and column by column."""

import json

import pytest

from ingestion.csv_files.item_json import escape
from ingestion.csv_files.values.outcomes import ABSENT
from ingestion.csv_files.values.templates import Filler
from ingestion.sources.templates import read_template

CONSTANTS = {"{key}": 'till/"7".csv', "{load}": "100%"}

ROWS: list[dict[str, str | None]] = [
    {"Date": "2025-12-31", "Time": "18:05:00"},
    {"Date": 'a "quoted" \\ 50 %b\n', "Time": ""},
    {"Date": None, "Time": "18:05:00"},
]
"""The texts of the fields in three rows."""


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{Date}T{Time}", ["2025-12-31T18:05:00", 'a "quoted" \\ 50 %b\nT', None]),
        ("{Date}", ["2025-12-31", 'a "quoted" \\ 50 %b\n', None]),
        ("{Time}/{Time}", ["18:05:00/18:05:00", "/", "18:05:00/18:05:00"]),
        ("{{{Time}}}", ["{18:05:00}", "{}", "{18:05:00}"]),
        ("%s\\{key}", ['%s\\till/"7".csv'] * 3),
        (
            "{load} of {Time} of {key}",
            [f'100% of {t} of till/"7".csv' for t in ("18:05:00", "", "18:05:00")],
        ),
    ],
)
def test_a_template_is_filled_unless_a_text_is_missing(
    template: str, expected: list[str | None]
) -> None:
    filler = Filler(read_template(template), CONSTANTS)
    texts = [[row[name] for name in filler.names] for row in ROWS]
    assert [filler.text(row) for row in texts] == expected
    columns = [
        [ABSENT if row[at] is None else escape(str(row[at]).encode()) for row in texts]
        for at in range(len(filler.names))
    ]
    assert [
        None if value == ABSENT else json.loads(b'"%b"' % value)
        for value in filler.column(columns, len(ROWS))
    ] == expected


def test_a_template_names_what_varies_from_row_to_row() -> None:
    filler = Filler(read_template("{key}:{line} {Date}"), CONSTANTS)
    assert filler.names == ["{line}", "Date"]
