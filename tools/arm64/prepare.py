"""Makes build/arm64: the emulator, Python for arm64, and what Lambda's runtime adds to it.

Each part has a stamp file with a digest of what it was made from and of this module, and is made
again only if that has changed.
`make clean` removes it all; the next run then downloads the newest packages of the release.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from tickets import ROOT
from tickets.errors import TicketsError
from tools.arm64 import BUILD, FOLDER, debian, emulator

LOCK = ROOT / "requirements" / "arm64.lock"
# Wheels for Amazon Linux 2023, which has glibc 2.34.
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_28_aarch64")
EMULATOR = "qemu-user"


class PreparationError(TicketsError):
    """pip failed."""


def prepare(url: str, python: Path) -> None:
    """Makes what is missing. `url` is Debian's mirror. `python` is this machine's Python of the
    functions' version: only one of the same version can compile for the emulated one.

    Raises DebianError or PreparationError.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    # libstdc++ is for the runtime client.
    packages = [f"lib{python.name}-stdlib", f"{python.name}-minimal", "libstdc++6"]
    _once("root", [debian.RELEASE, EMULATOR, *packages], lambda: _make_root(url, packages))
    _once("runtime", [python.name, LOCK.read_text()], lambda: _make_runtime(python))
    _compile(python, [emulator.ROOT / "usr" / "lib" / python.name, emulator.RUNTIME])
    _compile(python, sorted(path for path in BUILD.iterdir() if path.is_dir()))


def is_prepared() -> bool:
    return all((FOLDER / f"{name}.stamp").exists() for name in ("root", "runtime"))


def _once(name: str, source: Iterable[str], make: Callable[[], None]) -> None:
    stamp = FOLDER / f"{name}.stamp"
    code = Path(__file__).read_text()
    digest = hashlib.sha256("\n".join([code, *source]).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    stamp.unlink(missing_ok=True)
    make()
    stamp.write_text(digest)


def _make_root(url: str, names: list[str]) -> None:
    downloads = _empty(FOLDER / "downloads")
    packages = debian.Packages(url, downloads)
    debian.unpack(packages.download_alone(EMULATOR), downloads / "qemu")
    (downloads / "qemu" / "usr" / "bin" / emulator.QEMU.name).replace(emulator.QEMU)
    _empty(emulator.ROOT)
    for package in packages.download(names):
        debian.unpack(package, emulator.ROOT)
    # Libraries are looked for in /lib, which Debian links to usr/lib when it installs itself.
    (emulator.ROOT / "lib").symlink_to("usr/lib")
    shutil.rmtree(downloads)


def _make_runtime(python: Path) -> None:
    _empty(emulator.RUNTIME)
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *(
            "--no-deps",
            "--no-compile",
            "--requirement",
            str(LOCK),
            "--target",
            str(emulator.RUNTIME),
        ),
        *("--no-deps", "--only-binary=:all:", "--implementation", "cp"),
        *("--python-version", python.name.removeprefix("python")),
        *(f"--platform={platform}" for platform in PLATFORMS),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PreparationError(f"pip failed:\n{done.stderr.strip()}")


def _compile(python: Path, folders: Iterable[Path]) -> None:
    """Compiles what has changed. Files that can't be compiled, such as tests of syntax errors, are
    not needed."""
    subprocess.run(
        [python, "-m", "compileall", "-qq", "-j0", *folders],
        env={"PYTHONPYCACHEPREFIX": str(emulator.COMPILED)},
        check=False,
    )


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
