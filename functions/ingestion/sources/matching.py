"""Matches S3 keys with the patterns of sources.

`*` stands for any characters within a folder, `**` for any characters, `?` for one character
within a folder. `**/` also matches no folder at all. A `.gz` at the end of a key or a pattern
is ignored.
"""

import re
from functools import cache
from itertools import product

_WILDCARDS = re.compile(r"\*\*|\*|\?")
_MEANINGS = {"**": r".*", "*": r"[^/]*", "?": r"[^/]"}
_MANY = ("*", "**")


def matches(pattern: str, key: str) -> bool:
    return _compiled(pattern).fullmatch(_without_gz(key)) is not None


def literal_characters(pattern: str) -> int:
    """The number of characters of a pattern that aren't wildcards. The pattern with most
    applies."""
    return len(_WILDCARDS.sub("", _without_gz(pattern)))


def can_match_one_key(first: str, second: str) -> bool:
    """Whether there is a key that both patterns match."""
    return any(_overlap(one, other) for one, other in product(_variants(first), _variants(second)))


def _without_gz(name: str) -> str:
    return name[:-3] if name.lower().endswith(".gz") else name


def _tokens(pattern: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\*\*|.", pattern, re.DOTALL))


def _variants(pattern: str) -> list[tuple[str, ...]]:
    """The variants of the pattern with each `**/` at the start of a folder's name kept or left
    out."""
    parts = re.split(r"(?:(?<=/)|^)\*\*/", _without_gz(pattern))
    found = [parts[0]]
    for part in parts[1:]:
        found = [before + folders + part for before in found for folders in ("**/", "")]
    return [_tokens(one) for one in found]


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    def meaning(tokens: tuple[str, ...]) -> str:
        return "".join(_MEANINGS.get(token) or re.escape(token) for token in tokens)

    return re.compile("|".join(map(meaning, _variants(pattern))), re.DOTALL)


def _overlap(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    """Whether two patterns, given as tokens, match one text. Walks through both at once."""
    reached, pending = {(0, 0)}, [(0, 0)]
    while pending:
        one, other = pending.pop()
        if (one, other) == (len(first), len(second)):
            return True
        for step in _steps(first[one:], second[other:]):
            place = one + step[0], other + step[1]
            if place not in reached:
                reached.add(place)
                pending.append(place)
    return False


def _steps(first: tuple[str, ...], second: tuple[str, ...]) -> list[tuple[int, int]]:
    """How many tokens of each pattern may be used up next, for no character or one and the same."""
    steps = []
    if first and first[0] in _MANY:
        steps.append((1, 0))
    if second and second[0] in _MANY:
        steps.append((0, 1))
    if first and second and _share_a_character(first[0], second[0]):
        steps.append((int(first[0] not in _MANY), int(second[0] not in _MANY)))
    return steps


def _share_a_character(first: str, second: str) -> bool:
    if "**" in (first, second):
        return True
    if first in _MEANINGS:
        return second != "/"
    return first != "/" if second in _MEANINGS else first == second
