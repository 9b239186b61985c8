"""Reads what the page of a load shows, and renders it once for all open pages."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic

from markupsafe import Markup

from ingestion.report_page.building import page_of
from ingestion.report_page.content import BAD
from ingestion.report_page.recorded import Recorded
from tickets.console.connection import Connection
from tickets.console.live import Part
from tickets.console.pages import Pages
from tickets.console.progress import Samples, grid
from tickets.runs.report_pages import pages_of

MANY_CHUNKS = 500
MANY_CHUNKS_SECONDS = 5.0
"""Seconds between two readings of a load with more than MANY_CHUNKS: its entries are megabytes."""
_MAX_SAMPLED = 100


@dataclass(frozen=True)
class LoadShown:
    """A load as its page shows it."""

    known: Recorded
    part: Part
    read_at: float

    @property
    def is_running(self) -> bool:
        return self.known.status == "RUNNING"


class LoadReader:
    """Reads executions of loads. Remembers their progress, so that it doesn't go backwards when a
    page is opened again."""

    def __init__(self, connection: Connection, pages: Pages) -> None:
        self._connection = connection
        self._pages = pages
        self._sampled: OrderedDict[str, Samples] = OrderedDict()

    def read(self, execution: str, last: LoadShown | None) -> LoadShown:
        """What is known of an execution, rendered.

        Of an execution with many chunks, most readings only ask whether it still runs. Raises
        ExecutionDoesNotExist if Step Functions doesn't have it.
        """
        if last is not None and self._can_wait(last):
            return last
        stack = self._connection.stack
        known, _ = pages_of(stack).recorded(stack.execution_arn(execution))
        samples = self._sampled.setdefault(execution, Samples())
        self._sampled.move_to_end(execution)
        if len(self._sampled) > _MAX_SAMPLED:
            self._sampled.popitem(last=False)
        samples.add(known, monotonic())
        part = self._part(replace(known, chunks=samples.chunks), samples)
        return LoadShown(known, part, monotonic())

    def _can_wait(self, last: LoadShown) -> bool:
        if len(last.known.chunks) <= MANY_CHUNKS:
            return False
        if monotonic() - last.read_at >= MANY_CHUNKS_SECONDS:
            return False
        client = self._connection.stack.client("stepfunctions")
        answer = client.describe_execution(executionArn=last.known.execution_arn)
        return bool(answer["status"] == last.known.status)

    def _part(self, known: Recorded, samples: Samples) -> Part:
        page = page_of(known, datetime.now(UTC))
        progress = self._pages.render(
            "progress.html.j2",
            running=known.status == "RUNNING",
            samples=samples,
            running_for=(datetime.now(UTC) - known.started_at).total_seconds(),
            grid=grid(known.chunks, samples.planned),
            execution=known.execution,
            has_rows=bool(page.reasons),
            has_failed=page.verdict.tone == BAD,
            attempts=[one.execution for one in page.attempts],
        )
        graph = Markup(page.graph)  # noqa: S704 - made and escaped by the report page
        html = self._pages.render("load.html.j2", page=page, graph=graph, progress=progress)
        name = page.key.rpartition("/")[2] or known.execution
        share = f" {samples.share:.0%}" if samples.share and known.status == "RUNNING" else ""
        return Part(f"{page.verdict.heading}{share}: {name}", html)
