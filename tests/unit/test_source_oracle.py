"""Whatever a source declares, the items of its files are those that Python's own modules find.

A pair is a declaration and a file that is made as it says, cut into chunks anywhere. `make fuzz`
tries 10,000 pairs.
"""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ingestion.csv_files.fast_rows import PageReader
from ingestion.csv_files.header import FileFacts, examine
from ingestion.csv_files.key_rules import KeyRules
from ingestion.csv_files.sections import read_sections
from ingestion.csv_files.source_columns import Origin
from ingestion.csv_files.transcoding import transcode
from ingestion.sources.declaration import read_source
from ingestion.sources.model import Source
from tests.support.chunk_plans import plan
from tests.support.fuzzing import FUZZING, files
from tests.support.random_sources import LOAD_ID, S3_KEY, ExpectedRow, Pair, pairs


def accepted(pair: Pair, source: Source) -> FileFacts:
    """The facts about the file, which must not be refused as a whole, except for its encoding."""
    facts = examine(pair.data, True, lambda refused, rows: False, source)
    if isinstance(facts, list):
        reasons = [reason.reason for reason in facts]
        if reasons == ["wrong_encoding"]:  # other bytes happen to be UTF-8 as well
            assume(not is_utf8(pair.data))
        if reasons in (["not_utf8"], ["undecodable"]):
            assume(pair.undecodable_rows < len(pair.rows))
    assert isinstance(facts, FileFacts), facts
    return facts


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def rows(pair: Pair, source: Source, facts: FileFacts, chunk_size: int) -> list[ExpectedRow]:
    """The rows of the file, read in chunks: the accepted ones, in order, and then the others."""
    text = b"".join(transcode([pair.data], source.encoding))
    body = text[facts.data_start :]
    items: list[ExpectedRow] = []
    refused: list[ExpectedRow] = []
    lines = facts.lines_before_data

    def reader(lines_before: int) -> PageReader:
        return PageReader(
            source,
            facts.columns,
            facts.width,
            facts.delimiter.encode(),
            pair.key,
            facts.header,
            KeyRules(numbers=frozenset(pair.numeric_key)),
            Origin(S3_KEY, LOAD_ID, lines_before),
        )

    for start, end in plan(body, chunk_size, reader(0).layout):
        chunk = body[start:end]
        pages = reader(lines)
        blocks = [chunk[: len(chunk) // 3], chunk[len(chunk) // 3 :]]
        lines_in_chunk = 0
        for section in read_sections(blocks, pages.layout, ends_file=end == len(body)):
            page = pages.read(section, lines_in_chunk)
            for key, request in zip(page.keys, page.requests, strict=True):
                item = json.loads(request)["PutRequest"]["Item"]
                assert [json.loads(b'"%b"' % part) for part in key] == key_of(item, pair)
                items.append(ExpectedRow(0, item))
            refused += [
                ExpectedRow(lines + lines_in_chunk + row.line, None, row.column, row.reason)
                for row in page.refused
            ]
            lines_in_chunk += page.lines
        assert lines_in_chunk == chunk.count(b"\n") + (not chunk.endswith(b"\n"))
        lines += lines_in_chunk
    return items + refused


def key_of(item: dict[str, Any], pair: Pair) -> list[str]:
    return [str(value) for name in pair.key for value in item[name].values()]


@pytest.mark.timeout(3600 if FUZZING else 120)
@settings(
    max_examples=files(quick=20),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(pairs(), st.lists(st.integers(1, 300), min_size=1, max_size=2))
def test_the_items_of_any_source_are_those_that_other_parsers_find(
    pair: Pair, chunk_sizes: list[int]
) -> None:
    source = read_source(json.dumps(pair.declaration).encode(), "random.json")
    facts = accepted(pair, source)
    expected = [row._replace(line=0) for row in pair.rows if row.item is not None]
    expected += [row for row in pair.rows if row.item is None]
    for chunk_size in [10**6, *chunk_sizes]:
        assert rows(pair, source, facts, chunk_size) == expected
