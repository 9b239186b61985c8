"""Describes the table that rows are written to, and checks whether rows fit its keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# "Partition keys and sort keys", Constraints in Amazon DynamoDB. They apply to indexes as well.
MAX_PARTITION_KEY_BYTES = 2048
MAX_SORT_KEY_BYTES = 1024

_TAKES_WRITES = ("ACTIVE", "UPDATING")


class KeyAttribute(NamedTuple):
    """An attribute of a key. `type` is its DynamoDB type: `S`, `N` or `B`."""

    name: str
    type: str
    max_bytes: int
    """The longest value of a text, in bytes. Numbers have a range instead."""


class Index(NamedTuple):
    """A global or local secondary index. The key of a global one may have several partition and
    sort key attributes."""

    name: str
    key: tuple[KeyAttribute, ...]


class Mismatch(NamedTuple):
    """Why rows can't be written to a table: a code, and a sentence that names what doesn't fit."""

    reason: str
    detail: str
    attribute: str | None = None


@dataclass(frozen=True)
class TableSchema:
    """A table as DescribeTable describes it."""

    name: str
    table_id: str | None
    """Differs after a table is deleted and created again. Emulators may not return one."""
    status: str
    key: tuple[KeyAttribute, ...]
    """The partition key first."""
    indexes: tuple[Index, ...]

    @property
    def key_names(self) -> tuple[str, ...]:
        return tuple(attribute.name for attribute in self.key)

    @property
    def numeric_key(self) -> frozenset[str]:
        """The attributes of the table's own key that have type N."""
        return frozenset(attribute.name for attribute in self.key if attribute.type == "N")

    @property
    def index_only_keys(self) -> Mapping[str, KeyAttribute]:
        """The attributes that are keys of indexes but not of the table. An item may lack them.

        Each has the smallest of its limits.
        """
        found: dict[str, KeyAttribute] = {}
        for index in self.indexes:
            for attribute in index.key:
                if attribute.name not in self.key_names:
                    known = found.setdefault(attribute.name, attribute)
                    found[attribute.name] = min(known, attribute, key=lambda one: one.max_bytes)
        return found

    def mismatches(self, provided: Mapping[str, Sequence[str]]) -> list[Mismatch]:
        """The reasons why rows can't be written to the table; empty if they can.

        `provided` maps each attribute of an item to the types that it may be stored as: first the
        usual one, then those that it is converted to if the table's key has them. An index key that
        rows don't provide isn't a mismatch: their items just aren't in that index.
        """
        if self.status not in _TAKES_WRITES:
            detail = f"Table {self.name} takes no writes: its status is {self.status}."
            return [Mismatch("table_not_active", detail)]
        found = []
        for name, wanted, _ in self.key:
            if name not in provided:
                detail = (
                    f"Table {self.name} has the key attribute {name} (type {wanted}), "
                    "which no column provides."
                )
                found.append(Mismatch("key_not_provided", detail, name))
            elif wanted not in provided[name]:
                detail = (
                    f"Table {self.name} has the key attribute {name} of type {wanted}, "
                    f"but the column provides type {provided[name][0]}."
                )
                found.append(Mismatch("key_type", detail, name))
        for index in self.indexes:
            for name, wanted, _ in index.key:
                if name in self.key_names or name not in provided:
                    continue
                if wanted != provided[name][0]:
                    detail = (
                        f"Index {index.name} of table {self.name} has the key attribute {name} of "
                        f"type {wanted}, but the column provides type {provided[name][0]}."
                    )
                    found.append(Mismatch("index_key_type", detail, name))
        return found


def table_missing(table: str) -> Mismatch:
    return Mismatch("table_missing", f"Table {table} does not exist.")


def read_table_schema(client: "DynamoDBClient", table: str) -> TableSchema | None:
    """Describes a table. Returns None if no table has this name.

    Raises botocore's errors if DynamoDB can't be reached or denies access.
    """
    try:
        description: Any = client.describe_table(TableName=table)["Table"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise
    types = {
        one["AttributeName"]: one["AttributeType"] for one in description["AttributeDefinitions"]
    }
    described = [
        *description.get("GlobalSecondaryIndexes", ()),
        *description.get("LocalSecondaryIndexes", ()),
    ]
    return TableSchema(
        name=table,
        table_id=description.get("TableId"),
        status=description.get("TableStatus", "ACTIVE"),
        key=_key(description["KeySchema"], types),
        indexes=tuple(Index(one["IndexName"], _key(one["KeySchema"], types)) for one in described),
    )


def _key(schema: Sequence[Mapping[str, str]], types: Mapping[str, str]) -> tuple[KeyAttribute, ...]:
    limits = {"HASH": MAX_PARTITION_KEY_BYTES, "RANGE": MAX_SORT_KEY_BYTES}
    return tuple(
        KeyAttribute(one["AttributeName"], types[one["AttributeName"]], limits[one["KeyType"]])
        for one in sorted(schema, key=lambda one: one["KeyType"])  # HASH, RANGE
    )
