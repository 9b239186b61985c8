"""Superseded rows of a chunk against a dictionary of all its rows, with the usual digests and with
so few different digests that they collide."""

from collections import defaultdict
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.contracts import RefusedRow
from ingestion.csv_files import equal_keys
from ingestion.csv_files.equal_keys import superseded_rows
from ingestion.csv_files.fast_rows import PageReader
from ingestion.csv_files.key_digests import Digest, KeyDigests, key_digest
from ingestion.csv_files.refused_rows import refused_row
from ingestion.csv_files.rows import COLUMNS
from ingestion.csv_files.sections import Section, read_sections
from tests.support.sources import BUILT_IN

READER = PageReader(
    BUILT_IN,
    {name: at for at, name in enumerate(COLUMNS)},
    len(COLUMNS),
    b",",
    ("ticket_id", "product"),
)


class Line(NamedTuple):
    """A record of a made-up chunk, and the key that it has; a refused one has none."""

    raw: str
    key: str | None
    lines: int = 1


def good(key: str, store: str = "Lyon") -> Line:
    return Line(f"{key},Tea,B1,2026-01-31T00:00,,1,{store}", key)


def many_lines(key: str) -> Line:
    return Line(f'{key},Tea,B1,2026-01-31T00:00,,1,"a\n\nb"', key, 3)


BLANK = Line("", None)
REFUSED = Line("x,y", None)


def text_of(lines: list[Line]) -> bytes:
    return "".join(line.raw + "\n" for line in lines).encode()


def by_dictionary(lines: list[Line]) -> list[tuple[int, str]]:
    """The line and the text of each row whose key occurs again later."""
    rows = defaultdict(list)
    at = 1
    for line in lines:
        if line.key is not None:
            rows[line.key].append((at, line.raw))
        at += line.lines
    return sorted(row for same in rows.values() for row in same[:-1])


DIGEST = key_digest("00" * 16)


def weak(digests: int) -> Digest:
    """Digests with only a few different values, so that they collide."""
    return lambda keys: [digest % digests for digest in DIGEST(keys)]


def sections_of(text: bytes) -> list[Section]:
    return list(read_sections([text], READER.layout, ends_file=False))


def by_digests(lines: list[Line], page: int, digest: Digest) -> list[RefusedRow]:
    """Finds superseded rows as Write Chunk does, in pages of `page` lines."""
    digests = KeyDigests(digest)
    texts = [text_of(lines[at : at + page]) for at in range(0, len(lines), page)]
    sections = [one for text in texts for one in sections_of(text)]
    for section in sections:
        digests.add(READER.read(section).keys)
    return list(superseded_rows(digests.repeated(), lambda: sections, READER, digest))


def check(lines: list[Line], page: int = 1_000, digest: Digest = DIGEST) -> list[RefusedRow]:
    found = by_digests(lines, page, digest)
    assert [(row.line, row.raw) for row in found] == by_dictionary(lines)
    assert {(row.column, row.reason) for row in found} <= {("", "superseded")}
    return found


# ---------------------------------------------------------------- by hand


def test_no_row_is_superseded_by_another_key() -> None:
    assert check([good(f"T{at}") for at in range(200)]) == []


def test_the_earlier_rows_are_superseded_with_their_line_and_text() -> None:
    lines = [good("A", "1"), good("B"), many_lines("C"), BLANK, REFUSED, good("A", "2"), good("A")]
    assert [(row.line, row.raw) for row in check(lines)] == [(1, lines[0].raw), (8, lines[5].raw)]


def test_rows_with_lines_of_their_own_and_rows_of_other_pages() -> None:
    lines = [good("A"), many_lines("B"), good("C"), many_lines("B"), good("A")]
    for page in (1, 2, 3, 5):
        assert sorted(row.line for row in check(lines, page=page)) == [1, 2]


def test_keys_are_compared_not_digests() -> None:
    lines = [good(f"T{at}") for at in range(50)]
    assert check(lines, digest=weak(5)) == []
    assert [row.line for row in check([*lines, good("T7")], digest=weak(5))] == [8]


def test_more_repeated_keys_than_are_looked_for_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equal_keys, "MAX_KEYS_AT_A_TIME", 3)
    lines = [good(f"T{at % 10}") for at in range(25)]
    assert len(check(lines, page=4)) == 15


def test_texts_that_take_too_much_memory_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equal_keys, "MAX_TEXT_BYTES", 200)
    lines = [good(f"T{at % 10}") for at in range(25)]
    assert len(check([*lines, REFUSED, many_lines("T1")], page=4)) == 16


def test_a_long_row_is_listed_as_any_other() -> None:
    lines = [good("A", "é" * 3_000), good("A"), good("B", "x" * 1_950 + "é" * 90), good("B")]
    rows = [refused_row(at, "", "superseded", lines[at - 1].raw.encode()) for at in (1, 3)]
    assert sorted(by_digests(lines, 1_000, DIGEST)) == rows


def test_a_quoted_key_is_the_same_as_a_plain_one() -> None:
    quoted = Line('"A",Tea,B1,2026-01-31T00:00,,+1,', "A")
    assert [row.line for row in check([good("A"), quoted, good("A")])] == [1, 2]


def test_keys_whose_parts_join_to_the_same_text_are_not_equal() -> None:
    lines = [
        Line("AB,C,B1,2026-01-31T00:00,,1,", "AB|C"),
        Line("A,BC,B1,2026-01-31T00:00,,1,", "A|BC"),
    ]
    assert check(lines) == []


# ---------------------------------------------------------------- generated

LINES = st.lists(
    st.one_of(
        st.builds(good, st.sampled_from("ABCDE"), st.sampled_from(["", "Lyon"])),
        st.builds(good, st.integers(0, 99).map("T{}".format)),
        st.builds(many_lines, st.sampled_from("ABCDE")),
        st.sampled_from([BLANK, REFUSED]),
    ),
    max_size=40,
)


@given(LINES, st.integers(1, 12))
@settings(deadline=None)
def test_a_dictionary_of_all_rows_says_the_same(lines: list[Line], page: int) -> None:
    check(lines, page)


@given(LINES, st.integers(1, 12), st.integers(1, 9))
@settings(deadline=None)
def test_also_when_digests_collide(lines: list[Line], page: int, digests: int) -> None:
    check(lines, page, weak(digests))
