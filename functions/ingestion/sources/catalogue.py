"""Reads the deployed sources, and finds the one that applies to an S3 key."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ingestion.sources.declaration import DeclarationError, read_source
from ingestion.sources.matching import can_match_one_key, literal_characters, matches
from ingestion.sources.model import Source

BUNDLED = Path(__file__).resolve().parents[2] / "sources"
"""The folder with the declarations that are deployed with this code."""

BUILT_IN_FILE = "tickets.json"
SCHEMA_SUFFIX = ".schema.json"


class Sources:
    """A set of sources, in which at most one pattern applies to any key."""

    def __init__(self, built_in: Source, declared: Sequence[Source]) -> None:
        self.built_in = built_in
        self.declared = tuple(declared)

    def source_for(self, key: str) -> Source:
        """The source of a key: the one with the most literal characters in a pattern that matches,
        or the built-in one."""
        found = [
            (literal_characters(pattern), source)
            for source in self.declared
            for pattern in source.match
            if matches(pattern, key)
        ]
        return max(found, key=lambda one: one[0])[1] if found else self.built_in

    def named(self, name: str) -> Source | None:
        sources = (self.built_in, *self.declared)
        return next((source for source in sources if source.name == name), None)


def read_sources(folder: Path, value_problems: Callable[[Source], list[str]]) -> Sources:
    """Reads all declarations in a folder. It need not have a built-in source of its own.

    `value_problems` finds the problems of a source that concern the conversion of values, such as
    a date format that can't be read. Raises DeclarationError with the problems of all files, among
    them patterns of different sources that tie and can match one key.
    """
    files = sorted(file for file in folder.glob("*.json") if not file.name.endswith(SCHEMA_SUFFIX))
    built_in_file = folder / BUILT_IN_FILE
    if built_in_file not in files:
        built_in_file = BUNDLED / BUILT_IN_FILE
    built_in = read_source(built_in_file.read_bytes(), BUILT_IN_FILE, is_built_in=True)
    sources = {built_in.name: built_in}
    problems: list[str] = []
    for file in files:
        if file == built_in_file:
            continue
        try:
            source = read_source(file.read_bytes(), file.name)
        except DeclarationError as error:
            problems += error.problems
            continue
        if source.name in sources:
            problems.append(f"{file.name}: name: Another source is named {source.name!r}.")
        problems += [f"{file.name}: {problem}" for problem in value_problems(source)]
        sources.setdefault(source.name, source)
    declared = [source for source in sources.values() if source is not built_in]
    problems += conflicts(declared)
    if problems:
        raise DeclarationError(problems)
    return Sources(built_in, declared)


def conflicts(sources: Sequence[Source]) -> list[str]:
    """The pairs of patterns that would both apply to one key, as sentences."""
    patterns = [(pattern, source.name) for source in sources for pattern in source.match]
    return [
        f"match: {first!r} ({name}) and {second!r} ({other}) have the same number of literal "
        "characters and can match one key. Make one of them more specific."
        for at, (first, name) in enumerate(patterns)
        for second, other in patterns[at + 1 :]
        if name != other
        and literal_characters(first) == literal_characters(second)
        and can_match_one_key(first, second)
    ]
