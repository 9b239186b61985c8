"""The page with the failures that wait in the dead-letter queues, and what can be done to them."""

from datetime import UTC, datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tickets.console import changes, live
from tickets.console.background import Background
from tickets.console.changes import Chosen
from tickets.console.connection import Connection
from tickets.console.guard import Form, Permission
from tickets.console.pages import Pages
from tickets.console.watching import Reading, Watcher
from tickets.runs.causes import group_by_cause
from tickets.runs.dead_letters import count_messages, held_dead_letters
from tickets.runs.failures import Failure, LoadFailure, list_failures

TITLE = "Waiting failures"


class FailuresPage:
    """Answers the requests for the page, and those to replay and dismiss."""

    def __init__(
        self,
        connection: Connection,
        watcher: Watcher,
        background: Background,
        pages: Pages,
        permission: Permission,
    ) -> None:
        self._connection = connection
        self._watcher = watcher
        self._background = background
        self._pages = pages
        self._permission = permission

    async def page(self, request: Request) -> Response:
        found, unseen = await self._background.run(self._read)
        loads = [one for one in found if isinstance(one, LoadFailure)]
        html = self._pages.render(
            "failures.html.j2",
            causes=group_by_cause(loads, lambda one: one.why, lambda one: one.names),
            others=[one for one in found if not isinstance(one, LoadFailure)],
            unseen=unseen,
            read_at=datetime.now(UTC),
            token=self._permission.token if self._permission.is_given else "",
        )
        waiting = sum(one.messages if isinstance(one, LoadFailure) else 1 for one in found) + unseen
        return self._pages.page(
            request, live.Part(TITLE, html), events=f"/events/failures?seen={waiting}"
        )

    async def events(self, request: Request) -> Response:
        """Says when the waiting messages are not the ones on the page any more. The page itself
        stays, because somebody may be choosing from it, and reading the messages hides them from
        others."""
        seen = request.query_params.get("seen", "")
        return live.notes(request, self._counted, lambda waiting: _note(waiting, seen))

    def _counted(self) -> Reading:
        return self._watcher.reading(
            "waiting messages", lambda _: str(count_messages(self._connection.stack))
        )

    def _read(self) -> tuple[list[Failure], int]:
        stack = self._connection.stack
        with held_dead_letters(stack) as letters:
            return list_failures(stack, letters), letters.unseen

    async def change(self, request: Request) -> Response:
        """Shows what a replay or a dismissal would do, or does it."""
        form = await self._permission.form(request)
        chosen = Chosen.of_form(form)
        stack, run = self._connection.stack, self._background.run
        given = {"chosen": chosen, "token": self._permission.token}
        match form.get("step"):
            case ["show-replay"]:
                done = await run(changes.show_replay, stack, chosen)
                html = self._pages.render("show_replay.html.j2", replays=done, **given)
            case ["replay"]:
                done = await run(changes.replay_chosen, stack, chosen, _reason(form))
                html = self._pages.render("done.html.j2", heading="Replayed", done=done)
            case ["show-dismiss"]:
                done = await run(changes.show_dismissal, stack, chosen)
                html = self._pages.render("show_dismissal.html.j2", dismissals=done, **given)
            case ["dismiss"]:
                done = await run(changes.dismiss_chosen, stack, chosen, _reason(form))
                html = self._pages.render("done.html.j2", heading="Dismissed", done=done)
            case _:
                raise HTTPException(400, "The page did not say what to do.")
        return self._pages.page(request, live.Part(TITLE, html))


def _reason(form: Form) -> str | None:
    return " ".join(form.get("reason", [])).strip() or None


def _note(waiting: str, seen: str) -> str:
    if waiting == seen:
        return ""
    return f"{waiting} messages wait now, and {seen} did when this page was read. Load it again."
