"""The page with the rows of a load that are not in the table, with their values."""

import re
from collections import Counter, OrderedDict
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ingestion.contracts import RefusedRow
from ingestion.csv_files.rows import REASONS
from tickets.console.background import Background
from tickets.console.connection import Connection
from tickets.console.live import Part
from tickets.console.pages import Pages
from tickets.console.watching import Watcher
from tickets.errors import CommandError
from tickets.runs.attempts import attempts_of
from tickets.runs.executions import known_execution
from tickets.runs.refused_rows import read_refused_rows, refused_rows_uri, why_none

ROWS_PER_PAGE = 100
MAX_COUNTED = 200_000
"""Rows of a load that are counted by reason."""
_COUNT_SECONDS = 0.5
"""How long a page waits for the counts. After that, it offers every reason that there is."""
_MAX_KEPT = 20


@dataclass(frozen=True)
class RowsShown:
    """One page of rows. `why_none` says why there is no list at all."""

    rows: list[RefusedRow]
    more: bool
    address: str = ""
    why_none: str = ""


class RefusedPage:
    """Answers the requests for the page. Its first rows don't wait for the others to be read."""

    def __init__(
        self, connection: Connection, watcher: Watcher, background: Background, pages: Pages
    ) -> None:
        self._connection = connection
        self._watcher = watcher
        self._background = background
        self._pages = pages
        self._counts: OrderedDict[str, Counter[str]] = OrderedDict()

    async def page(self, request: Request) -> Response:
        execution = request.path_params["execution"]
        reason = request.query_params.get("reason", "")
        number = _page_number(request.query_params.get("page", ""))
        try:
            shown = await self._background.run(self._rows, execution, reason, number)
        except CommandError as error:
            raise HTTPException(404, str(error)) from error
        html = self._pages.render(
            "refused.html.j2",
            execution=execution,
            shown=shown,
            reason=reason,
            reasons=await self._reasons(shown.address) if shown.address else {},
            explained=REASONS,
            number=number,
            first=(number - 1) * ROWS_PER_PAGE + 1,
        )
        return self._pages.page(request, Part(f"Rows of {execution}", html))

    def _rows(self, execution: str, reason: str, number: int) -> RowsShown:
        stack = self._connection.stack
        known = known_execution(stack, stack.execution_arn(execution))
        attempt = attempts_of(stack).get(execution)
        if known is None and attempt is None:
            raise CommandError(f"Stack {stack.name} has no execution {execution}.")
        # Step Functions deletes executions after 90 days; the ledger keeps their attempts.
        address = refused_rows_uri(known) if known else attempt and attempt.refused_rows
        if not address:
            why = why_none(known) if known else "No refused rows of this execution are recorded."
            return RowsShown([], more=False, why_none=why)
        first = (number - 1) * ROWS_PER_PAGE
        with closing(read_refused_rows(stack, address)) as listed:
            chosen = (row for row in listed if reason in ("", row.reason))
            rows = list(islice(chosen, first, first + ROWS_PER_PAGE + 1))
        return RowsShown(rows[:ROWS_PER_PAGE], len(rows) > ROWS_PER_PAGE, address)

    async def _reasons(self, address: str) -> dict[str, int | None]:
        """The reasons of the listed rows, the most frequent first, with their numbers of rows. If
        counting takes long: all reasons, without numbers."""
        if address not in self._counts:
            counted = self._watcher.reading(
                f"reasons {address}", lambda _: self._counted(address), lambda _: True
            )
            await counted.first(_COUNT_SECONDS)
        if address in self._counts:
            return dict(self._counts[address].most_common())
        return dict.fromkeys([*REASONS, "superseded"])

    def _counted(self, address: str) -> bool:
        with closing(read_refused_rows(self._connection.stack, address)) as listed:
            counts = Counter(row.reason for row in islice(listed, MAX_COUNTED))
        self._counts[address] = counts
        if len(self._counts) > _MAX_KEPT:
            self._counts.popitem(last=False)
        return True


def _page_number(text: str) -> int:
    return int(text) if re.fullmatch("[1-9][0-9]{0,5}", text) else 1
