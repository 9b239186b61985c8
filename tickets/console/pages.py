"""Renders the console's templates."""

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from ingestion.report_page import rendering
from ingestion.report_page.amounts import duration, moment
from tickets.console.live import Part
from tickets.console.watching import Reading

FOLDER = Path(__file__).parent
_CONTROL_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}


class Pages:
    """Renders pages and parts of them. `common` has the values that every page shows."""

    def __init__(self, common: Mapping[str, Any]) -> None:
        self._common = common

    def render(self, template: str, **values: Any) -> Markup:
        """Returns a rendered template. Templates escape the values."""
        return Markup(_environment().get_template(template).render(**values))  # noqa: S704

    def page(
        self,
        request: Request,
        part: Part,
        *,
        reading: Reading | None = None,
        events: str = "",
        status: int = 200,
    ) -> HTMLResponse:
        """A response with the whole page around a part.

        reading: what the part shows, if pages of it are live.
        events: the path of its events.
        """
        text = self.render(
            "frame.html.j2",
            title=part.title,
            path=request.url.path,
            part=Markup(part.html),  # noqa: S704 - rendered above
            events=events,
            stale=reading.stale if reading else "",
            **self._common,
        )
        # Step Functions stores half surrogates in an input, and UTF-8 has none.
        return HTMLResponse(text.encode("utf-8", "replace"), status)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader(
            [FileSystemLoader(FOLDER / "templates"), FileSystemLoader(rendering.FOLDER)]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= rendering.FILTERS
    environment.filters |= {
        "moment": moment,
        "path": partial(quote, safe=""),
        "visible": visible,
        "whole_duration": whole_duration,
    }
    return environment


def whole_duration(seconds: float) -> str:
    """`12 s`, `3 min 05 s`, `2 h 03 min`."""
    return f"{seconds:.0f} s" if round(seconds) < 60 else duration(float(round(seconds)))


def visible(text: str) -> str:
    """The text with pictures of its control characters, which a browser would not show."""
    return text.translate(_CONTROL_PICTURES)
