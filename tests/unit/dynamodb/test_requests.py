"""Bodies of BatchWriteItem: what ``json.loads`` reads in them is what was meant."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingestion.csv_files.item_json import encode, escape, put_request, put_request_template
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


NAMES = ["ticket_id", "product", "quantity", "store"]


@given(
    st.permutations([*NAMES, None, None]),
    st.lists(TEXT, min_size=6, max_size=6),
)
def test_a_template_takes_a_rows_fields_in_the_files_order(fields: Any, texts: Any) -> None:
    values = [escape(text.encode()) for text in texts]
    made = json.loads(put_request_template(fields, ("quantity",)) % tuple(values))
    item = made["PutRequest"]["Item"]
    assert item == {
        name: {"N" if name == "quantity" else "S": text}
        for name, text in zip(fields, texts, strict=True)
        if name
    }
    assert json.loads(put_request(item)) == made


def test_the_template_of_a_row() -> None:
    template = put_request_template(["product", None, "quantity"], ("quantity",))
    assert template % (b"Tea", b"left out", b"2") == (
        b'{"PutRequest":{"Item":{"product":{"S":"Tea"},"quantity":{"N":"2"}}}}'
    )


def test_a_batch() -> None:
    item = {"product": {"S": 'Thé "vert"'}}
    body = batch_body("Tickets", [put_request(item), encode({"PutRequest": {"Item": {}}})])
    assert json.loads(body) == {
        "RequestItems": {
            "Tickets": [{"PutRequest": {"Item": item}}, {"PutRequest": {"Item": {}}}],
        }
    }
    assert body.startswith(b'{"RequestItems":{"Tickets":[{"PutRequest":')
