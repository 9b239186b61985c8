"""Folders of declarations: which source applies to a key, and what makes a folder unusable."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingestion.sources.catalogue import BUNDLED, Sources, read_sources
from ingestion.sources.declaration import DeclarationError
from ingestion.sources.model import Source


def declare(folder: Path, name: str, *patterns: str, **other: Any) -> None:
    fields = [{"name": "id", "dynamodb": {"attribute": "ticket_id"}}]
    declaration = {"name": name, "match": list(patterns), "schema": {"fields": fields}, **other}
    (folder / f"{name}.json").write_text(json.dumps(declaration))


def read(folder: Path) -> Sources:
    return read_sources(folder, lambda source: [])


def problems_of(folder: Path) -> list[str]:
    with pytest.raises(DeclarationError) as raised:
        read(folder)
    return raised.value.problems


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("kassen/nord/1.csv", "north"),
        ("kassen/nord/1.csv.gz", "north"),
        ("kassen/sued/1.csv", "all-tills"),
        ("kassen/nord/x/1.csv", "tickets"),
        ("archive/kassen/x/1.csv", "deep"),
        ("else.csv", "tickets"),
    ],
)
def test_the_pattern_with_most_literal_characters_applies(
    tmp_path: Path, key: str, name: str
) -> None:
    declare(tmp_path, "all-tills", "kassen/*/*.csv", "kassen/?/*.csv")
    declare(tmp_path, "north", "kassen/nord/*.csv", "nord.csv")
    declare(tmp_path, "deep", "archive/**/*.csv")
    assert read(tmp_path).source_for(key).name == name


def test_patterns_that_tie_and_match_one_key_are_an_error(tmp_path: Path) -> None:
    declare(tmp_path, "one", "in/*.csv")
    declare(tmp_path, "two", "*/aa.csv", "out/*.csv")
    (problem,) = problems_of(tmp_path)
    assert problem == (
        "match: 'in/*.csv' (one) and '*/aa.csv' (two) have the same number of literal characters "
        "and can match one key. Make one of them more specific."
    )


def test_the_problems_of_all_files_are_told(tmp_path: Path) -> None:
    declare(tmp_path, "one", "a/*", colour="red")
    declare(tmp_path, "two", "b/*", dialect={"delimiter": 1})
    declare(tmp_path, "three", "c/*")
    (tmp_path / "again.json").write_text((tmp_path / "three.json").read_text())
    (tmp_path / "broken.json").write_text("{")
    found = problems_of(tmp_path)
    assert [problem.partition(":")[0] for problem in found] == [
        "broken.json",
        "one.json",
        "three.json",
        "two.json",
    ]
    assert "Another source is named 'three'" in found[2]


def test_a_name_of_the_built_in_source_is_taken(tmp_path: Path) -> None:
    declare(tmp_path, "tickets", "a/*")
    (tmp_path / "tickets.json").rename(tmp_path / "mine.json")
    assert "Another source is named 'tickets'" in problems_of(tmp_path)[0]


def test_problems_of_values_belong_to_their_file(tmp_path: Path) -> None:
    def no_values(source: Source) -> list[str]:
        return [f"schema.fields[0]: {source.name} has none."]

    declare(tmp_path, "one", "a/*")
    with pytest.raises(DeclarationError, match=r"one.json: schema.fields\[0\]: one has none."):
        read_sources(tmp_path, no_values)


def test_a_folder_without_declarations_has_the_built_in_source(tmp_path: Path) -> None:
    sources = read(tmp_path)
    assert sources.declared == ()
    assert sources.source_for("x.csv") is sources.built_in
    assert sources.named("tickets") is sources.built_in
    assert sources.named("other") is None


def test_the_json_schema_is_no_declaration() -> None:
    assert "source-1" not in [source.name for source in read(BUNDLED).declared]
