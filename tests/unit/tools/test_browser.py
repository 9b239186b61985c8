"""Which browser the tests and `make screenshots` take."""

from pathlib import Path

import pytest

from tools.browser import Installed, installed_browser


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are found."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(folder: Path, name: str, version: str) -> str:
    program = folder / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\necho "{version}"\n')
    program.chmod(0o755)
    return str(program)


def test_the_browser_is_the_one_that_the_driver_controls(path: Path) -> None:
    driver = install(path, "chromedriver", "ChromeDriver 148.0.7727.24 (abc-refs/heads@{#2})")
    assert installed_browser() is None
    install(path, "chromium", "Chromium 147.0.7700.1 built on Debian GNU/Linux 12 (bookworm)")
    assert installed_browser() is None
    chrome = install(path, "google-chrome", "Google Chrome 148.0.7727.30")
    assert installed_browser() == Installed(chrome, driver)
    chromium = install(path, "chromium", "Chromium 148.0.7700.1 built on Debian")
    assert installed_browser() == Installed(chromium, driver)


def test_without_a_driver_there_is_none(path: Path) -> None:
    install(path, "chromium", "Chromium 147.0.7700.1")
    assert installed_browser() is None


def test_a_snap_is_none(path: Path) -> None:
    install(path, "chromedriver", "ChromeDriver 147.0.1.1")
    snap = install(path / "snap", "chromium", "Chromium 147.0.1.1 snap")
    (path / "chromium").symlink_to(snap)
    assert installed_browser() is None
