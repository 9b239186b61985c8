"""Downloads packages of Debian 13 for two architectures, without installing anything.

apt gets a configuration and folders of its own, so the machine's packages and lists stay as they
are. The machine's settings for proxies and the like apply, and so does its choice of a mirror.
"""

import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tickets.errors import TicketsError

# The first release with Python 3.13. Its qemu-user is a single static program, and three times as
# fast as that of Debian 12.
RELEASE = "trixie"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
CONFIGURATION = """
APT::Architecture "arm64";
APT::Architectures {{ "arm64"; "amd64"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
"""


class DebianError(TicketsError):
    """apt or dpkg-deb failed."""


class NotReachedError(DebianError):
    """The mirror can't be reached, or doesn't have this release."""


def mirror() -> str | None:
    """The URL of the mirror that this machine gets its packages from; None if it isn't Debian."""
    try:
        system = platform.freedesktop_os_release()
        found = _run(
            *("apt-get", "indextargets", "--no-release-info"),
            *("--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"),
        )
    except OSError:  # no file that describes the system, or no apt-get
        return None
    if system.get("ID") != "debian":
        return None
    for line in found.splitlines():
        release, component, url = line.split()
        if (release, component) == (system.get("VERSION_CODENAME"), "main"):
            return url
    return None


class Packages:
    """The packages that a mirror has. `folder` is for apt's lists and downloads.

    Raises NotReachedError.
    """

    def __init__(self, url: str, folder: Path) -> None:
        for name in ("state/lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {url} {RELEASE} main\n")
        self._configuration = folder / "apt.conf"
        self._configuration.write_text(CONFIGURATION.format(folder=folder))
        self._archives = folder / "cache" / "archives"
        try:
            self._apt("update")
        except DebianError as error:
            raise NotReachedError(str(error)) from error

    def download(self, names: Sequence[str]) -> list[Path]:
        """Downloads these packages for arm64 with all that they depend on."""
        self._apt("install", "--yes", "--download-only", *names)
        return sorted(self._archives.glob("*.deb"))

    def download_alone(self, name: str) -> Path:
        """Downloads one package for this machine, without what it depends on."""
        alone = self._archives / "alone"
        alone.mkdir()
        self._apt("download", f"{name}:amd64", folder=alone)
        [path] = alone.glob("*.deb")
        return path

    def _apt(self, *arguments: str, folder: Path | None = None) -> None:
        # apt reads this file before the machine's own configuration.
        environment = {**os.environ, "APT_CONFIG": str(self._configuration), "LC_ALL": "C"}
        _run("apt-get", "-qq", *arguments, folder=folder, environment=environment)


def unpack(package: Path, folder: Path) -> None:
    """Unpacks the files of a package into a folder, without running its scripts."""
    folder.mkdir(parents=True, exist_ok=True)
    _run("dpkg-deb", "--extract", str(package), str(folder))


def _run(
    *command: str, folder: Path | None = None, environment: dict[str, str] | None = None
) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DebianError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout
