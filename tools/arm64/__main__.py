"""Runs the packaged functions on emulated arm64, see tests/arm64.

    python -m tools.arm64 PYTHON [ARGUMENT OF PYTEST ...]

PYTHON is this machine's Python of the functions' version. If the check can't be made here, it says
so in a sentence that begins with "Skipped".
"""

import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tickets import ROOT, TEMPLATE
from tickets.errors import TicketsError
from tools import artifact
from tools.arm64 import BUILD, FOLDER, debian
from tools.arm64.prepare import prepare

TESTS = "tests/arm64"


def main(python: Path, arguments: list[str]) -> int:
    """Returns the exit code. Raises TicketsError if the build or the preparation is at fault."""
    url = debian.mirror()
    if url is None or platform.machine() != "x86_64":
        return _skipped("this machine is not Debian on x86-64")
    if not can_compile():
        return _skipped("there is no C compiler, or no headers of OpenSSL")
    artifact.check_files(BUILD, TEMPLATE)
    began = time.monotonic()
    try:
        prepare(url, python)
    except debian.NotReachedError as error:
        return _skipped(f"Debian's mirror can't be reached ({str(error).splitlines()[-1]})")
    print(f"Prepared {FOLDER.relative_to(ROOT)} in {time.monotonic() - began:.0f} s.", flush=True)
    command = [sys.executable, "-m", "pytest", "-m", "exhaustive", TESTS, *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def can_compile() -> bool:
    """Whether the stub that stands in for DynamoDB can be compiled."""
    return shutil.which("cc") is not None and Path("/usr/include/openssl/ssl.h").exists()


def _skipped(reason: str) -> int:
    print(f"Skipped make arm64-check: {reason}.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
    except TicketsError as error:
        sys.exit(str(error))
