"""Patterns of S3 keys: which keys they match, which one applies, and which ones conflict."""

import re
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.sources.matching import can_match_one_key, literal_characters, matches


@pytest.mark.parametrize(
    ("pattern", "matched", "others"),
    [
        (
            "kassen/*.csv",
            ["kassen/a.csv", "kassen/.csv"],
            ["kassen/x/a.csv", "Kassen/a.csv", "a.csv"],
        ),
        ("kassen/**", ["kassen/", "kassen/a/b.txt"], ["kassen", "x/kassen/a"]),
        ("**/*.csv", ["a.csv", "x/a.csv", "x/y/a.csv"], ["a.txt", "x/a.csv/b"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb", "a/b/c"]),
        ("t?.csv", ["t1.csv", "tä.csv"], ["t.csv", "t12.csv", "t/.csv"]),
        ("a+b(1).csv", ["a+b(1).csv"], ["aab1.csv"]),
        ("in/*.csv", ["in/a.csv.gz", "in/a.CSV.gz".replace("CSV", "csv")], ["in/a.gz"]),
        ("in/*.csv.gz", ["in/a.csv", "in/a.csv.gz"], []),
        ("line\nend/*", ["line\nend/x\ny"], []),
    ],
)
def test_a_pattern_matches_these_keys(pattern: str, matched: list[str], others: list[str]) -> None:
    assert [key for key in matched if not matches(pattern, key)] == []
    assert [key for key in others if matches(pattern, key)] == []


@pytest.mark.parametrize(
    ("pattern", "count"),
    [("kassen/*.csv", 11), ("**", 0), ("a?c", 2), ("**/x", 2), ("in/*.csv.gz", 7)],
)
def test_literal_characters_are_those_that_are_no_wildcards(pattern: str, count: int) -> None:
    assert literal_characters(pattern) == count


PATTERNS = st.lists(st.sampled_from(["a", "b", "/", "*", "**", "?", "**/"]), max_size=5).map(
    "".join
)
KEYS = ["".join(key) for size in range(6) for key in product("ab/", repeat=size)]


@settings(max_examples=150)
@given(PATTERNS, PATTERNS)
def test_two_patterns_conflict_if_a_short_key_shows_it(first: str, second: str) -> None:
    """With at most five tokens, a key that both match is short if there is one at all: a wildcard
    need not stand for more than the other pattern's tokens."""
    shared = [key for key in KEYS if matches(first, key) and matches(second, key)]
    if shared:
        assert can_match_one_key(first, second)
    elif can_match_one_key(first, second):
        # A longer key may be needed. The number of literals says so.
        assert len(re.sub(r"\*\*/?|\*", "", first + second)) > 4


@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        ("a/*.csv", "*/b.csv", True),
        ("a/*.csv", "b/*.csv", False),
        ("a/*", "a/b/*", False),
        ("a/**", "a/b/*", True),
        ("a?", "?b", True),
        ("?", "/", False),
        ("**/a", "a", True),
        ("*x", "*y", False),
        ("in/*.csv", "in/*.csv.gz", True),
        ("A", "a", False),
    ],
)
def test_pairs_of_patterns(first: str, second: str, *, conflict: bool) -> None:
    assert can_match_one_key(first, second) is conflict
    assert can_match_one_key(second, first) is conflict
