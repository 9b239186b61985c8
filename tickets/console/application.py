"""The pages of the console."""

import fnmatch
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from ingestion.report_page import rendering
from ingestion.report_page.amounts import duration
from ingestion.report_page.building import page_of
from ingestion.report_page.recorded import Recorded
from ingestion.tasks.listed_rows import listed_rows
from tickets.console import live
from tickets.console.guard import Changes, Guard, fields
from tickets.console.progress import Samples, grid
from tickets.console.watching import Reading, Watcher
from tickets.runs.causes import group_by_cause
from tickets.runs.dead_letters import held_dead_letters
from tickets.runs.dismiss import dead_letters_of, dismiss
from tickets.runs.failures import LoadFailure, list_failures
from tickets.runs.filters import Wanted
from tickets.runs.loads import list_loads
from tickets.runs.replay import Replay, replay
from tickets.runs.report_pages import pages_of
from tickets.runs.stack import Stack

_FOLDER = Path(__file__).parent
LOADS_DAYS = 7
MAX_LOADS_READ = 1000
MAX_LOADS = 200
ROWS_PER_PAGE = 100
_MANY_CHUNKS = 500
_MANY_CHUNKS_SECONDS = 5.0


@dataclass
class LoadShown:
    """A load as its page shows it."""

    known: Recorded
    samples: Samples
    planned: int
    read_at: datetime


@dataclass
class Console:
    """Serves the pages of one stack."""

    stack: Stack
    watcher: Watcher
    port: int
    allow_changes: bool = False
    _samples: dict[str, Samples] = field(default_factory=dict)
    _last: dict[str, LoadShown] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._changes = Changes(self.allow_changes, self.port)
        self._templates = Environment(
            loader=ChoiceLoader(
                [FileSystemLoader(_FOLDER / "templates"), FileSystemLoader(rendering.FOLDER)]
            ),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(rendering.FILTERS)
        self._templates.filters["duration"] = duration
        self._templates.filters["moment"] = _moment
        self._templates.filters["path"] = partial(quote, safe="")
        self._pages = pages_of(self.stack)

    def application(self) -> Guard:
        routes = [
            Route("/", self.loads),
            Route("/events/loads", self.loads_events),
            Route("/loads/{execution}", self.load),
            Route("/events/loads/{execution}", self.load_events),
            Route("/loads/{execution}/refused", self.refused),
            Route("/failures", self.failures),
            Route("/failures/change", self.change, methods=["POST"]),
            Route("/favicon.ico", _nothing),
            Route("/console.css", partial(_file, "text/css", self._style)),
            Route("/console.js", partial(_file, "text/javascript", self._script)),
        ]
        failed = {Exception: self.failed}
        return Guard(Starlette(routes=routes, exception_handlers=failed), self.port)

    async def failed(self, request: Request, error: Exception) -> Response:
        """Says why a request failed."""
        part = self._render("failed.html.j2", why=self.watcher.explain(error))
        answer = self._page("Failed", request, part, None, "")
        answer.status_code = 502
        return answer

    # --- loads

    async def loads(self, request: Request) -> Response:
        reading = await run_in_threadpool(self._loads)
        part = self._loads_part(dict(request.query_params), reading)
        return self._page("loads", request, part, reading, f"/events/loads?{request.url.query}")

    async def loads_events(self, request: Request) -> Response:
        asked = dict(request.query_params)
        return live.events(request, self._loads, partial(self._loads_part, asked))

    def _loads(self) -> Reading:
        since = datetime.now(UTC) - timedelta(days=LOADS_DAYS)
        wanted = Wanted(since=since, limit=MAX_LOADS_READ)
        return self.watcher.reading("loads", lambda: list(list_loads(self.stack, wanted)))

    def _loads_part(self, asked: Mapping[str, str], reading: Reading) -> str:
        status, key = asked.get("status", ""), asked.get("key", "")
        found = [
            one
            for one in reading.value or []
            if (not status or one["status"] == status)
            and (not key or fnmatch.fnmatchcase(one["key"], f"*{key}*"))
        ]
        return self._render(
            "loads.html.j2",
            loads=found[:MAX_LOADS],
            left_out=max(len(found) - MAX_LOADS, 0),
            status=status,
            key=key,
            known=reading.value is not None,
            statuses=sorted({one["status"] for one in reading.value or []}),
        )

    # --- one load

    async def load(self, request: Request) -> Response:
        execution = request.path_params["execution"]
        reading = await run_in_threadpool(self._load, execution)
        if reading.value is None:
            return PlainTextResponse(reading.error or "Not found", 404)
        part = await run_in_threadpool(self._load_part, reading)
        return self._page(execution, request, part, reading, f"/events/loads/{quote(execution)}")

    async def load_events(self, request: Request) -> Response:
        execution = request.path_params["execution"]
        return live.events(
            request,
            lambda: self._load(execution),
            self._load_part,
            lambda one: one.value.known.status != "RUNNING",
        )

    def _load(self, execution: str) -> Reading:
        return self.watcher.reading(f"load {execution}", lambda: self._read_load(execution))

    def _read_load(self, execution: str) -> LoadShown:
        last = self._last.get(execution)
        now = datetime.now(UTC)
        if last is not None and last.known.status != "RUNNING":
            return last
        # Each reading of many chunks takes a while, and costs.
        patience = _MANY_CHUNKS_SECONDS if last and len(last.known.chunks) > _MANY_CHUNKS else 0
        if last is not None and (now - last.read_at).total_seconds() < patience:
            return last
        known, _ = self._pages.recorded(self.stack.execution_arn(execution))
        plan = known.load.get("plan") or {}
        samples = self._samples.setdefault(execution, Samples())
        data_bytes = (plan.get("data_end") or 0) - min(
            (chunk.start for chunk in known.chunks), default=0
        )
        samples.add(known, data_bytes, time.monotonic())
        shown = LoadShown(known, samples, plan.get("chunks") or len(known.chunks), now)
        self._last[execution] = shown
        return shown

    def _load_part(self, reading: Reading) -> str:
        shown: LoadShown = reading.value
        page = page_of(shown.known, shown.read_at)
        return self._render(
            "load.html.j2",
            page=page,
            graph=Markup(page.graph),  # noqa: S704 - made by the report page, escaped there
            running=shown.known.status == "RUNNING",
            samples=shown.samples,
            grid=grid(shown.known.chunks, shown.planned),
            has_rows=bool(page.reasons),
        )

    # --- refused rows

    async def refused(self, request: Request) -> Response:
        execution = request.path_params["execution"]
        reading = await run_in_threadpool(self._load, execution)
        if reading.value is None:
            return PlainTextResponse(reading.error or "Not found", 404)
        reason = request.query_params.get("reason", "")
        text = request.query_params.get("page", "1")
        number = int(text) if text.isdecimal() and 0 < int(text) < 1_000_000 else 1
        rows, more = await run_in_threadpool(self._rows, reading.value.known, reason, number)
        part = self._render(
            "refused.html.j2",
            execution=execution,
            rows=rows,
            reason=reason,
            number=number,
            more=more,
            reasons=reading.value.known.reasons,
        )
        return self._page(f"Rows of {execution}", request, part, reading, "")

    def _rows(self, known: Recorded, reason: str, number: int) -> tuple[list[Any], bool]:
        address = known.load.get("refused_rows")
        if not address:
            return [], False
        chosen = (
            row
            for row in listed_rows(self.stack.client("s3"), address)
            if not reason or row.reason == reason
        )
        first = (number - 1) * ROWS_PER_PAGE
        rows = list(islice(chosen, first, first + ROWS_PER_PAGE + 1))
        return rows[:ROWS_PER_PAGE], len(rows) > ROWS_PER_PAGE

    # --- waiting failures

    async def failures(self, request: Request) -> Response:
        found, unseen = await run_in_threadpool(self._read_failures)
        loads = [one for one in found if isinstance(one, LoadFailure)]
        part = self._render(
            "failures.html.j2",
            causes=group_by_cause(loads, lambda one: one.why, lambda one: one.names),
            others=[one for one in found if not isinstance(one, LoadFailure)],
            unseen=unseen,
            allowed=self._changes.allowed,
            token=self._changes.token,
        )
        return self._page("Waiting failures", request, part, None, "")

    def _read_failures(self) -> tuple[list[Any], int]:
        with held_dead_letters(self.stack) as letters:
            return list_failures(self.stack, letters), letters.unseen

    async def change(self, request: Request) -> Response:
        """Shows what a replay or dismissal would do, or does it."""
        if refusal := await self._changes.refusal(request):
            return refusal
        form = await fields(request)
        executions, reason = form.get("execution", []), "".join(form.get("reason", [])) or None
        shown = {"executions": executions, "token": self._changes.token}
        match form.get("step"):
            case ["show-replay"]:
                done = await run_in_threadpool(self._replay, executions, reason, dry_run=True)
                part = self._render("replay.html.j2", replays=done, dry_run=True, **shown)
            case ["replay"]:
                done = await run_in_threadpool(self._replay, executions, reason, dry_run=False)
                part = self._render("replay.html.j2", replays=done, dry_run=False, **shown)
            case ["show-dismiss"]:
                part = self._render("dismiss.html.j2", dismissed=None, **shown)
            case ["dismiss"]:
                await run_in_threadpool(self._dismiss, executions, reason)
                part = self._render("dismiss.html.j2", dismissed=len(executions), **shown)
            case _:
                return PlainTextResponse("The page did not say what to do.", 400)
        return self._page("Waiting failures", request, part, None, "")

    def _replay(self, executions: list[str], reason: str | None, *, dry_run: bool) -> list[Replay]:
        with held_dead_letters(self.stack) as letters:
            return [
                replay(self.stack, one, letters, dry_run=dry_run, reason=reason)
                for one in executions
            ]

    def _dismiss(self, executions: list[str], reason: str | None) -> None:
        with held_dead_letters(self.stack) as letters:
            for one in executions:
                dismiss(self.stack, dead_letters_of(letters, one), reason)

    # --- rendering

    def _page(
        self, title: str, request: Request, part: str, reading: Reading | None, source: str
    ) -> HTMLResponse:
        return HTMLResponse(
            self._render(
                "frame.html.j2",
                title=title,
                path=request.url.path,
                stack=self.stack.name,
                region=self.stack.endpoint_url or self.stack.region,
                part=Markup(part),  # noqa: S704 - rendered above, with autoescape
                events=source,
                stale=live.stale(reading) if reading else "",
                allowed=self._changes.allowed,
            )
        )

    def _render(self, template: str, **values: Any) -> str:
        return self._templates.get_template(template).render(**values)

    @property
    def _style(self) -> str:
        return rendering.style_sheet() + (_FOLDER / "console.css").read_text(encoding="utf-8")

    @property
    def _script(self) -> str:
        return (_FOLDER / "console.js").read_text(encoding="utf-8")


async def _file(media_type: str, content: str, _: Request) -> Response:
    return Response(content, media_type=media_type)


async def _nothing(_: Request) -> Response:
    return Response(status_code=204)


def _moment(text: str | datetime | None) -> str:
    if not text:
        return ""
    moment = text if isinstance(text, datetime) else datetime.fromisoformat(text)
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}"
