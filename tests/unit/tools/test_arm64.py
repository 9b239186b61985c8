"""Where `make arm64-check` can't run, it says so, and it takes Debian's mirror from the machine."""

import platform
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools.arm64 import __main__ as check
from tools.arm64 import debian

SOURCES = """\
bookworm-updates main http://mirror.example/debian/
bookworm contrib http://mirror.example/contrib/
bookworm main http://mirror.example/debian/
bookworm-security main http://mirror.example/security/
"""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A Debian machine with the sources above. The test may change what system it is."""
    system = {"ID": "debian", "VERSION_CODENAME": "bookworm"}

    def run(command: Any, **_: Any) -> Any:
        assert command[:2] == ("apt-get", "indextargets")
        return subprocess.CompletedProcess(command, 0, SOURCES, "")

    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: system)
    monkeypatch.setattr("subprocess.run", run)
    return system


def test_the_mirror_is_that_of_the_machines_own_release(machine: dict[str, str]) -> None:
    assert debian.mirror() == "http://mirror.example/debian/"


@pytest.mark.parametrize(
    "system",
    [{"ID": "ubuntu", "VERSION_CODENAME": "bookworm"}, {"ID": "debian", "VERSION_CODENAME": "sid"}],
)
def test_a_machine_without_debians_packages_is_skipped(
    machine: dict[str, str], system: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    machine.update(system)
    assert check.main(Path("/usr/bin/python3.13"), []) == 0
    assert capsys.readouterr().out == (
        "Skipped make arm64-check: this machine is not Debian on x86-64.\n"
    )


def test_a_mirror_that_cannot_be_reached_is_told_in_one_sentence(
    machine: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def prepare(*_: object) -> None:
        raise debian.NotReachedError("apt-get update failed:\nE: no route\nE: more")

    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(check, "can_compile", lambda: True)
    monkeypatch.setattr("tools.artifact.check_files", lambda *_: None)
    monkeypatch.setattr(check, "prepare", prepare)
    assert check.main(Path("/usr/bin/python3.13"), []) == 0
    said = capsys.readouterr().out
    assert said.startswith("Skipped make arm64-check: Debian's mirror can't be reached (")
    assert said.count("\n") == 1
