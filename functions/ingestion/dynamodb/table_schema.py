"""The key of the table that rows are written to."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from ingestion.errors import KeySchemaNotSupported

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def key_attributes(
    client: "DynamoDBClient", table: str, columns: Collection[str]
) -> tuple[str, ...]:
    """The names of the table's key attributes, partition key first.

    Raises KeySchemaNotSupported unless each is a string and one of ``columns``, the columns that
    give strings.
    """
    description = client.describe_table(TableName=table)["Table"]
    types = {
        one["AttributeName"]: one["AttributeType"] for one in description["AttributeDefinitions"]
    }
    schema = sorted(description["KeySchema"], key=lambda one: one["KeyType"])  # HASH, RANGE
    names = tuple(one["AttributeName"] for one in schema)
    for name in names:
        if name not in columns or types[name] != "S":
            raise KeySchemaNotSupported(
                f"Table {table} has the key attribute {name}, which no column provides as a string."
            )
    return names
