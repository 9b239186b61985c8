"""A real browser without a window: Chromium, or one that is made of it, driven by selenium."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

# Debian's name, and those of Google's packages, which GitHub's images have.
NAMES = ("chromium", "google-chrome", "google-chrome-stable")
PACKAGES = "Chromium and its driver: on Debian, the packages chromium and chromium-driver"


@dataclass(frozen=True)
class Installed:
    browser: str
    driver: str


def installed_browser() -> Installed | None:
    """The first browser whose major version is the driver's, because a driver refuses to control
    any other. A snap doesn't count: it can't open files in the folder for temporary ones."""
    driver = _found("chromedriver")
    if driver is None:
        return None
    version = _major_version(driver)
    browsers = (path for name in NAMES if (path := _found(name)))
    return next(
        (Installed(path, driver) for path in browsers if _major_version(path) == version), None
    )


@contextmanager
def running_browser(installed: Installed, home: Path) -> Iterator[Chrome]:
    """The browser, showing an empty page. It notes every request and every message of the console,
    keeps its files in `home`, and reaches this machine only."""
    options = ChromeOptions()
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
    try:
        driver.set_page_load_timeout(30)
        driver.get("about:blank")  # instead of the browser's own start page
        yield driver
    finally:
        driver.quit()


def _found(name: str) -> str | None:
    path = shutil.which(name)
    return path if path and "snap" not in Path(path).resolve().parts else None


def _major_version(program: str) -> str | None:
    """`147` of "Chromium 147.0.7727.24 built on Debian" or "ChromeDriver 147.0.7727.24 (...)"."""
    said = subprocess.check_output([program, "--version"], stderr=subprocess.DEVNULL, text=True)
    found = re.search(r"\b(\d+)\.\d+\.\d+", said)
    return found and found[1]
