"""A real browser: Chromium, driven by selenium. Tests are skipped where it is missing."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.browsers import installed_browser
from tests.support.found_stack import (  # noqa: F401 - fixtures
    alone,
    deployed,
    empty_queues,
    stack,
    step_functions,
)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium without a window. It notes every request and every message of the console, keeps
    its files in a folder of its own, and reaches this machine only."""
    installed = installed_browser()
    if installed is None:
        pytest.skip(
            "needs Chromium and its driver: on Debian, the packages chromium-driver, chromium"
        )
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    home = tmp_path_factory.mktemp("home")
    options.binary_location = installed.browser
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-dev-shm-usage",  # a container's is too small
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--window-size=1440,1200",
        f"--user-data-dir={home / 'profile'}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = Service(installed.driver, env={**os.environ, "HOME": str(home)})
    driver = Chrome(options=options, service=service)
    driver.set_page_load_timeout(30)
    driver.get("about:blank")  # instead of the browser's own start page
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def saved(tmp_path: Path) -> Any:
    """Saves a page and returns its `file://` URL."""

    def save(page: str) -> str:
        path = tmp_path / "page.html"
        path.write_text(page, encoding="utf-8")
        return path.as_uri()

    return save
