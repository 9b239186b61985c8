"""The writer takes the table's key from the table, and says which keys it can't serve."""

import pytest

from ingestion.csv_files.rows import TEXT_COLUMNS
from ingestion.dynamodb.table_schema import key_attributes
from ingestion.errors import KeySchemaNotSupported


class Description:
    """A DynamoDB client that knows one table."""

    def __init__(self, **types):
        """``name="HASH S"`` and so on."""
        self.types = types

    def describe_table(self, *, TableName):
        split = {name: kind.split() for name, kind in self.types.items()}
        return {
            "Table": {
                "AttributeDefinitions": [
                    {"AttributeName": name, "AttributeType": kind[1]}
                    for name, kind in split.items()
                ],
                "KeySchema": [
                    {"AttributeName": name, "KeyType": kind[0]} for name, kind in split.items()
                ],
            }
        }


@pytest.mark.parametrize(
    ("types", "names"),
    [
        ({"ticket_id": "HASH S"}, ("ticket_id",)),
        ({"ticket_id": "HASH S", "product": "RANGE S"}, ("ticket_id", "product")),
        ({"product": "RANGE S", "ticket_id": "HASH S"}, ("ticket_id", "product")),
        ({"store": "HASH S", "timestamp": "RANGE S"}, ("store", "timestamp")),
    ],
)
def test_the_tables_key_is_read_partition_key_first(types, names):
    assert key_attributes(Description(**types), "Tickets", TEXT_COLUMNS) == names


@pytest.mark.parametrize(
    ("types", "blamed"),
    [
        ({"order_id": "HASH S"}, "order_id"),
        ({"ticket_id": "HASH N"}, "ticket_id"),
        ({"ticket_id": "HASH S", "quantity": "RANGE N"}, "quantity"),
        ({"ticket_id": "HASH S", "quantity": "RANGE S"}, "quantity"),
        ({"ticket_id": "HASH S", "product": "RANGE B"}, "product"),
    ],
)
def test_a_key_that_no_column_provides_as_a_string_is_named(types, blamed):
    with pytest.raises(KeySchemaNotSupported, match=f"Tickets .* {blamed}"):
        key_attributes(Description(**types), "Tickets", TEXT_COLUMNS)
