"""A real browser. Tests are skipped where it is missing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.found_stack import (  # noqa: F401 - fixtures
    alone,
    deployed,
    empty_queues,
    stack,
    step_functions,
)
from tools.browser import PACKAGES, installed_browser, running_browser


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The browser of all tests."""
    installed = installed_browser()
    if installed is None:
        pytest.skip(f"needs {PACKAGES}")
    with running_browser(installed, tmp_path_factory.mktemp("browser")) as driver:
        yield driver


@pytest.fixture
def saved(tmp_path: Path) -> Any:
    """Saves a page and returns its `file://` URL."""

    def save(page: str) -> str:
        path = tmp_path / "page.html"
        path.write_text(page, encoding="utf-8")
        return path.as_uri()

    return save
