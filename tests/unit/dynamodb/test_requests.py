"""Bodies of BatchWriteItem: `json.loads` reads in them what was put in."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingestion.csv_files.item_json import encode, escape, escape_all, put_request, put_requests
from ingestion.dynamodb.requests import batch_body

TEXT = st.text(st.characters(exclude_categories=["Cs"]))  # all that UTF-8 has


@given(TEXT)
@example("".join(map(chr, range(0x20))))
@example('"\\/\b\f\n\r\t\x7f\x80\u2028\u2029\ufeff\uffff😀%s%%b{}')
def test_an_escaped_string_stands_between_the_quotes_of_a_json_string(text: Any) -> None:
    escaped = escape(text.encode())
    assert json.loads(b'"' + escaped + b'"') == text
    assert all(byte >= 0x20 for byte in escaped)


@given(st.lists(TEXT, max_size=8))
def test_equal_strings_have_one_escaped_form_and_different_ones_have_two(texts: Any) -> None:
    assert len({escape(text.encode()) for text in texts}) == len(set(texts))


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain 5' pipe, é 😀 \u2028", "plain 5' pipe, é 😀 \u2028"),
        ('a"b', 'a\\"b'),
        ("a\\b", "a\\\\b"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x00\x1f", "\\u0000\\u001f"),
        ("", ""),
    ],
)
def test_only_what_json_does_not_take_is_escaped(text: str, escaped: str) -> None:
    assert escape(text.encode()) == escaped.encode()


@given(st.lists(TEXT, max_size=8))
@example(['"', "a\x7fb", ""])
@example([""])
def test_many_strings_are_escaped_like_each_of_them(texts: list[str]) -> None:
    values = [text.encode() for text in texts]
    assert escape_all(values) == [escape(value) for value in values]


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
def test_requests_are_made_of_columns(rows: Any) -> None:
    products, stores = (
        [escape(text.encode()) for text in texts] for texts in zip(*rows, strict=True)
    )
    made = put_requests(
        [
            (b'{"PutRequest":{"Item":{"product":{"S":"', products),
            (b'"},"store":{"S":"', stores),
        ],
        b'"}}}}',
    )
    assert [json.loads(request) for request in made] == [
        {"PutRequest": {"Item": {"product": {"S": product}, "store": {"S": store}}}}
        for product, store in rows
    ]


def test_a_batch() -> None:
    item = {"product": {"S": 'Thé "vert"'}}
    body = batch_body("Tickets", [put_request(item), encode({"PutRequest": {"Item": {}}})])
    assert json.loads(body) == {
        "RequestItems": {
            "Tickets": [{"PutRequest": {"Item": item}}, {"PutRequest": {"Item": {}}}],
        }
    }
    assert body.startswith(b'{"RequestItems":{"Tickets":[{"PutRequest":')
