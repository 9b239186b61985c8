"""Renders the page of an execution as one HTML file without scripts or external resources."""

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ingestion.report_page.content import Page

FOLDER = Path(__file__).parent
"""Where the templates are. The console includes `page_body.html.j2` too."""
FILTERS = {"number": "{:,}".format, "percent": lambda share: f"{100 * share:.2f}%"}


def render(page: Page) -> str:
    """Returns the page as HTML.

    Its policy forbids every request and every script, and allows its one style sheet only
    (Content Security Policy Level 3, 2.3.1, hash sources).
    """
    style = style_sheet()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        _environment()
        .get_template("page.html.j2")
        .render(page=page, graph=Markup(page.graph), style=Markup(style), policy=policy)  # noqa: S704 - ours
    )


@cache
def style_sheet() -> str:
    return (FOLDER / "style.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment
