"""Reads the rows of a loaded file once more, as the load read them."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ingestion.csv_files.rows import NoRow, Row, RowReader
from ingestion.csv_files.source_columns import Origin
from ingestion.dynamodb.table_schema import TableSchema
from ingestion.tasks.target_table import key_rules
from tickets.errors import CommandError
from tickets.runs.executions import known_execution
from tickets.runs.loaded_file import LoadedFile
from tickets.runs.loads import load_of_execution
from tickets.runs.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def load_that_read(stack: Stack, name_or_arn: str) -> Mapping[str, Any]:
    """The ledger's entry of the load that an execution worked on.

    Raises CommandError if there is none, or if the load has read no object.
    """
    arn = name_or_arn if name_or_arn.startswith("arn:") else stack.execution_arn(name_or_arn)
    execution = known_execution(stack, arn)
    load = (execution.load if execution else None) or load_of_execution(stack, arn)
    if not load:
        raise CommandError(
            f"Stack {stack.name} has no load of an execution {name_or_arn}: `tickets loads` lists "
            "the loads."
        )
    if "size" not in load:
        raise CommandError(f"Load {load['load_id']} has read no object.")
    return load


class LoadedRows(LoadedFile):
    """The rows of the object version that a load read, for a table with the schema."""

    def __init__(self, s3: "S3Client", load: Mapping[str, Any], schema: TableSchema) -> None:
        super().__init__(s3, load)
        self._reader = RowReader(
            self.source,
            self.facts.columns,
            self.facts.width,
            self.facts.delimiter.encode(),
            schema.key_names,
            self.facts.header,
            key_rules(schema, self.source),
            Origin((load.get("resubmits") or load)["key"], load["load_id"]),
        )

    def rows(self) -> Iterator[tuple[int, Row | None]]:
        """Yields (line number, row) for each row; the row is None if the file's contract refuses
        it."""
        for lines, record in self.records():
            outcome = self._reader.read(record, lines)
            if isinstance(outcome, Row):
                yield lines + record.line, outcome
            elif not isinstance(outcome, NoRow):
                yield lines + record.line, None
