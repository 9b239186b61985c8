"""Files in the forms of retail systems, loaded by drafted and corrected declarations."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from tests.support.retail_corrections import corrected
from tests.support.retail_files import FILES
from tests.support.retail_items import retail_items
from tests.support.running_stack import RunningStack
from tickets.draft.draft import draft_source, match_pattern, source_name
from tickets.draft.sample import read_sample


@pytest.fixture(scope="module")
def declared(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The stack with a source for each of the retail files. Their names, in the files' order."""
    folder = tmp_path_factory.mktemp("retail")
    declarations = [declaration(name, folder) for name in FILES]
    with stack.sources_added(declarations):
        yield [one["name"] for one in declarations]


def declaration(name: str, folder: Path) -> dict[str, Any]:
    path = folder / name
    path.write_bytes(FILES[name]())
    drafted = draft_source(read_sample(path), source_name(path), match_pattern(path))
    return corrected(name, drafted.declaration)


@pytest.mark.exhaustive
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", FILES)
def test_a_drafted_file_is_loaded(name: str, stack: RunningStack, declared: list[str]) -> None:
    wanted = retail_items(name)
    execution = stack.load(f"retail/{name}", FILES[name]())
    assert execution["status"] == "SUCCEEDED", execution
    result = json.loads(execution["output"])["result"]
    assert result["rows_written"] == len(wanted)
    tickets = {ticket for ticket, _ in wanted}
    serialize = TypeSerializer().serialize
    found = {
        key: {attribute: serialize(value) for attribute, value in item.items()}
        for key, item in stack.items_of_tickets(tickets).items()
    }
    assert found == wanted
    report = json.loads(stack.read_url(result["report"]))
    assert report["source"]["name"] == declared[list(FILES).index(name)]
