"""Superseded rows against a dictionary of all rows.

The writer's part: keys are noted in order, and texts of all rounds are read once more if a digest
occurs twice. Python's hash of a key is taken as it is, or made so small that digests collide.
"""

from collections import defaultdict
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.csv_files import equal_keys
from ingestion.csv_files.equal_keys import KeyDigests, superseded_rows
from ingestion.csv_files.fast_rows import PageReader
from ingestion.csv_files.refused_rows import RefusedRow
from ingestion.csv_files.rows import COLUMNS

READER = PageReader(
    {name: at for at, name in enumerate(COLUMNS)}, len(COLUMNS), b",", ("ticket_id", "product")
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
    """The rows, as line and text, whose key a later line has again."""
    rows = defaultdict(list)
    at = 1
    for line in lines:
        if line.key is not None:
            rows[line.key].append((at, line.raw))
        at += line.lines
    return sorted(row for same in rows.values() for row in same[:-1])


def by_digests(lines: list[Line], page: int) -> list[RefusedRow]:
    """As the writer does it, in pages of so many lines."""
    digests = KeyDigests()
    texts = [text_of(lines[at : at + page]) for at in range(0, len(lines), page)]
    for text in texts:
        digests.add(READER.read(text).keys)
    repeated = digests.repeated()
    return list(superseded_rows(lambda: texts, READER, sorted(repeated)))


def check(lines: list[Line], page: int = 1_000) -> list[RefusedRow]:
    found = by_digests(lines, page)
    assert [(row.line, row.raw) for row in found] == by_dictionary(lines)
    assert {(row.column, row.reason) for row in found} <= {("", "superseded")}
    return found


@pytest.fixture
def collisions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests of which there are five, negative ones too."""
    monkeypatch.setattr(equal_keys, "hash", lambda key: hash(key) % 5 - 2, raising=False)


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


def test_keys_are_compared_not_digests(collisions: None) -> None:
    lines = [good(f"T{at}") for at in range(50)]
    assert check(lines) == []
    assert [row.line for row in check([*lines, good("T7")])] == [8]


def test_a_quoted_key_is_the_same_as_a_plain_one() -> None:
    quoted = Line('"A",Tea,B1,2026-01-31T00:00,,+1,', "A")
    assert [row.line for row in check([good("A"), quoted, good("A")])] == [1, 2]


def test_keys_whose_parts_join_to_the_same_text_are_not_equal() -> None:
    lines = [
        Line("AB,C,B1,2026-01-31T00:00,,1,", "AB|C"),
        Line("A,BC,B1,2026-01-31T00:00,,1,", "A|BC"),
    ]
    assert check(lines) == []


# ---------------------------------------------------------------- digests


def digests_of(keys: list[str]) -> KeyDigests:
    digests = KeyDigests()
    digests.add([(key.encode(),) for key in keys])
    return digests


def hashes(keys: str) -> set[int]:
    return {hash((key.encode(),)) for key in keys}


def test_digests_of_keys_that_occur_twice_are_told() -> None:
    assert digests_of(list("abcdefgh")).repeated() == set()
    assert digests_of(list("abcdefghag")).repeated() == hashes("ag")
    assert digests_of([*"aaa", *map(str, range(500))]).repeated() == hashes("a")


def test_every_digest_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its last bits and its sign: the parts in which they are compared are all of them."""
    monkeypatch.setattr(equal_keys, "hash", lambda key: int(key[0]), raising=False)
    edges = [-(2**63), -(2**62), -9, *range(-8, 8), 2**31, 2**62, 2**63 - 1]
    for one in edges:
        others = [two for two in edges if two != one]
        assert digests_of([str(two) for two in [one, *others, one]]).repeated() == {one}


def test_keys_behind_a_place_can_be_forgotten() -> None:
    digests = digests_of(list("abca"))
    assert len(digests) == 4
    digests.keep(3)
    assert (len(digests), digests.repeated()) == (3, set())
    digests.add([(b"b",)])
    assert digests.repeated() == hashes("b")


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


@given(LINES, st.integers(1, 12), st.integers(1, 9))
@settings(deadline=None)
def test_a_dictionary_of_all_rows_says_the_same(lines: list[Line], page: int, keys: int) -> None:
    """Whether the keys are looked for at once or in several readings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(equal_keys, "MAX_KEYS_AT_A_TIME", keys)
        check(lines, page)


@given(LINES, st.integers(1, 12), st.integers(1, 9))
@settings(deadline=None)
def test_also_when_digests_collide(lines: list[Line], page: int, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(equal_keys, "hash", lambda key: hash(key) % most - 4, raising=False)
        check(lines, page)
