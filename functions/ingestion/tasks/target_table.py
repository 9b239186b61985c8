"""Checks the table that a load writes to: whether rows fit, its key rules and its identity."""

from typing import TYPE_CHECKING

from ingestion.contracts import File
from ingestion.csv_files.key_rules import KeyRules
from ingestion.csv_files.rows import ATTRIBUTE_TYPES
from ingestion.dynamodb.table_schema import Mismatch, TableSchema, read_table_schema, table_missing
from ingestion.errors import TableMismatch

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE_REPLACED = (
    "The table was replaced while the load was running: it was deleted, or deleted and created "
    "again. Replay the load to write every row to the table that is there."
)


class TableReplaced(Exception):
    """The table isn't the one that Validate File saw, or is gone. The load can't continue."""


class TargetTable:
    """The table of this name. Every call reads its description again."""

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self._client = client
        self.name = name

    def schema(self) -> TableSchema | None:
        """Return the current schema of the table, or None if there is no table."""
        return read_table_schema(self._client, self.name)

    def schema_for(self, file: File) -> TableSchema:
        """Return the current schema of the table, for a load that continues writing to it.

        Raises TableReplaced, and TableMismatch if rows don't fit it (an index may have been added
        since Validate File looked).
        """
        schema = self.schema()
        if _is_another(file, schema):
            raise TableReplaced
        found = mismatches(self.name, schema)
        if schema is None or found:
            raise TableMismatch(found[0].detail)
        return schema

    def is_replaced(self, file: File) -> bool:
        """Whether the table isn't the one that Validate File saw, or is gone."""
        return _is_another(file, self.schema())


def _is_another(file: File, schema: TableSchema | None) -> bool:
    # A file without a table id cannot be compared.
    return file.table_id is not None and (schema is None or schema.table_id != file.table_id)


def mismatches(table: str, schema: TableSchema | None) -> list[Mismatch]:
    """List the reasons why a file's rows can't be written to a table. Empty if they can."""
    return schema.mismatches(ATTRIBUTE_TYPES) if schema else [table_missing(table)]


def key_rules(schema: TableSchema) -> KeyRules:
    """Return the rules that the table's schema sets for the values of rows."""
    index_keys = {
        name: attribute
        for name, attribute in schema.index_only_keys.items()
        if name in ATTRIBUTE_TYPES
    }
    return KeyRules(
        numbers=schema.numeric_key,
        left_out_if_empty=frozenset(index_keys),
        max_bytes={
            name: attribute.max_bytes
            for name, attribute in index_keys.items()
            if attribute.type == "S"
        },
    )
