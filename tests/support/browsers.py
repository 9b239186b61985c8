"""Finds Chromium, or a browser made of it, with the driver that belongs to it."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Debian's name, and those of Google's packages, which GitHub's images have.
NAMES = ("chromium", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Installed:
    browser: str
    driver: str


def installed_browser() -> Installed | None:
    """The first browser whose major version is the driver's, because a driver refuses to control
    any other. A snap doesn't count: it can't open the files of a test."""
    driver = _found("chromedriver")
    browsers = [path for name in NAMES if (path := _found(name))]
    for browser in browsers if driver else []:
        if driver and _major_version(browser) == _major_version(driver):
            return Installed(browser, driver)
    return None


def _found(name: str) -> str | None:
    path = shutil.which(name)
    return path if path and "snap" not in Path(path).resolve().parts else None


def _major_version(program: str) -> str | None:
    """`147` of "Chromium 147.0.7727.24 built on Debian" or "ChromeDriver 147.0.7727.24 (...)"."""
    said = subprocess.check_output([program, "--version"], stderr=subprocess.DEVNULL, text=True)
    found = re.search(r"\b(\d+)\.\d+\.\d+", said)
    return found and found[1]
