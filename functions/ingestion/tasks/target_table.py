"""Checks the table that a load writes to: whether rows fit, its key rules and its identity."""

from typing import TYPE_CHECKING

from ingestion.contracts import File
from ingestion.csv_files.key_rules import KeyRules
from ingestion.csv_files.source_columns import text_fields
from ingestion.dynamodb.table_schema import Mismatch, TableSchema, read_table_schema, table_missing
from ingestion.errors import TableMismatch
from ingestion.sources.model import Source, Template
from ingestion.tasks.file_source import source_of

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
        """Returns the current schema of the table, or None if there is no table."""
        return read_table_schema(self._client, self.name)

    def schema_for(self, file: File) -> TableSchema:
        """Returns the current schema of the table, for a load that continues writing to it.

        Raises TableReplaced, and TableMismatch if rows don't fit it (an index may have been added
        since Validate File looked).
        """
        schema = self.schema()
        if _is_another(file, schema):
            raise TableReplaced
        found = mismatches(self.name, schema, source_of(file))
        if schema is None or found:
            raise TableMismatch(found[0].detail)
        return schema

    def is_replaced(self, file: File) -> bool:
        """Whether the table isn't the one that Validate File saw, or is gone."""
        return _is_another(file, self.schema())


def _is_another(file: File, schema: TableSchema | None) -> bool:
    # A file without a table id cannot be compared.
    return file.table_id is not None and (schema is None or schema.table_id != file.table_id)


def mismatches(table: str, schema: TableSchema | None, source: Source) -> list[Mismatch]:
    """Lists the reasons why a source's rows can't be written to a table. Empty if they can."""
    if schema is None:
        return [table_missing(table)]
    found = schema.mismatches(_attribute_types(source))
    if source.primary_key and source.primary_key != schema.key_names:
        detail = (
            f"Source {source.name} has the primary key {', '.join(source.primary_key)}, but the "
            f"key of table {table} is {', '.join(schema.key_names)}."
        )
        found.append(Mismatch("other_primary_key", detail))
    return found


def _attribute_types(source: Source) -> dict[str, tuple[str, ...]]:
    """The DynamoDB types of a source's attributes: the usual one first, then the one that a text is
    converted to if it is part of the table's key."""
    texts = {field.attribute for field in text_fields(source)}
    texts.update(name for name, value in source.values.items() if isinstance(value, Template))
    return {
        name: (kind, "N") if name in texts else (kind,)
        for name, kind in source.attribute_types.items()
    }


def key_rules(schema: TableSchema, source: Source) -> KeyRules:
    """Returns the rules that the table's schema sets for the values of a source's rows."""
    index_keys = {
        name: attribute
        for name, attribute in schema.index_only_keys.items()
        if name in source.attribute_types
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
