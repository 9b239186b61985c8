"""How a Python program is run on the emulated processor, as Lambda would run it."""

from pathlib import Path

from tools.arm64 import FOLDER

QEMU = FOLDER / "qemu-aarch64"
ROOT = FOLDER / "root"
"""Python and the libraries that the runtime has, glibc among them. The emulator looks for files
here first, and then on the machine."""
RUNTIME = FOLDER / "runtime"
"""What Lambda's runtime adds to Python: boto3 and the runtime client."""
COMPILED = FOLDER / "compiled"
"""The byte code of everything, because to compile it under emulation takes half a minute."""


def command(python: str, *arguments: str) -> list[str]:
    """The command that runs the emulated Python, such as `python3.13`."""
    return [str(QEMU), "-L", str(ROOT), str(ROOT / "usr" / "bin" / python), *arguments]


def environment(function: Path) -> dict[str, str]:
    """The variables that the emulated Python needs. `function` is the function's folder in the
    build, whose packages are found before those of the runtime."""
    return {
        "PYTHONPATH": f"{function}:{RUNTIME}",
        "PYTHONPYCACHEPREFIX": str(COMPILED),
        "LAMBDA_TASK_ROOT": str(function),
        "LANG": "C.UTF-8",
    }
