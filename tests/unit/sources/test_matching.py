"""Patterns of S3 keys: which keys they match, which one applies, and which ones conflict."""

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
        ("in/*.csv", ["in/a.csv.gz", "in/a.csv.GZ"], ["in/a.gz"]),
        ("in/*.csv.gz", ["in/a.csv", "in/a.csv.gz"], []),
        ("line\nend/**", ["line\nend/x\ny"], []),
        ("a**/b", ["a/b", "axx/b", "a/x/b"], ["ab"]),
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


MAX_TOKENS = 4
PATTERNS = st.lists(
    st.sampled_from(["a", "b", "/", "*", "**", "?", "**/"]), max_size=MAX_TOKENS
).map("".join)
KEYS = [["".join(key) for key in product("ab/", repeat=size)] for size in range(2 * MAX_TOKENS + 1)]
"""All keys of each length."""


@settings(max_examples=150)
@given(PATTERNS, PATTERNS)
def test_two_patterns_conflict_if_a_key_shows_it(first: str, second: str) -> None:
    """If both patterns match a key, they match one in which no character belongs to a `*` or
    `**` of both. It is no longer than the rest of both patterns."""
    longest = len((first + second).replace("*", ""))
    keys = (key for same_length in KEYS[: longest + 1] for key in same_length)
    is_shared = any(matches(first, key) and matches(second, key) for key in keys)
    assert can_match_one_key(first, second) is is_shared


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
