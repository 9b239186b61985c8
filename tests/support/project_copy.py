"""A copy of this project with an engine of its own, in which tests run commands as a reader of the
documentation would.

It differs from a reader's machine in two ways:

- The engine takes the place of AWS, through `AWS_ENDPOINT_URL`, region and credentials as README
  prints them.
- `tickets`, `sam` and `aws` are on PATH, the last two as scripts.
  - `sam` calls the AWS SAM CLI and does two more things. After `sam build` it removes pycurl and
    xxhash from the build: they are compiled for arm64 and Python 3.13, but the engine runs
    functions in this project's own interpreter, and packages in the build take precedence over
    installed ones. (Building for this machine isn't possible: for Python 3.11, SAM accepts only
    wheels for glibc 2.26, and pycurl has none.) It also adds `EmbeddedEngine=true` to
    `sam deploy --parameter-overrides …`, because a new stack has no earlier values.
  - `aws` calls version 1 of the AWS CLI, because only that is on PyPI, without version 2's option
    `--cli-binary-format`.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tickets.local.engine import Engine

ROOT = Path(__file__).parents[2]
VENV = Path(sys.executable).parent.parent
# More than any command here takes. A command that hangs is ended, and the error names it.
COMMAND_SECONDS = 240

SAM_ON_THE_ENGINE = """#!/bin/sh
set -e
if [ "$1 $2" = "deploy --parameter-overrides" ]; then set -- "$@" EmbeddedEngine=true; fi
{sam} "$@"
if [ "$1" = build ]; then rm -rf .aws-sam/build/*/pycurl* .aws-sam/build/*/xxhash*; fi
"""

AWS_OF_VERSION_1 = """#!/bin/sh
set -e
for word do
    shift
    case "$word" in --cli-binary-format|raw-in-base64-out) ;; *) set -- "$@" "$word" ;; esac
done
exec {aws} "$@"
"""


@dataclass(frozen=True)
class Ran:
    code: int
    output: str  # both streams, as a terminal shows them


@dataclass(frozen=True)
class Project:
    folder: Path
    environment: dict[str, str]

    @classmethod
    def copy(cls, into: Path, engine: Engine, runtime: str) -> "Project":
        """Copies the project into a folder.

        runtime: the folder with the Python version of the functions, which `sam build` needs.
        """
        folder, programs, home = into / "project", into / "bin", into / "home"
        for one in (programs, home):
            one.mkdir()
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        (folder / ".venv").symlink_to(VENV)
        for name, script in {"sam": SAM_ON_THE_ENGINE, "aws": AWS_OF_VERSION_1}.items():
            installed = shlex.quote(str(VENV / "sam/bin" / name))
            (programs / name).write_text(script.format(**{name: installed}))
            (programs / name).chmod(0o755)
        (programs / "tickets").symlink_to(VENV / "bin/tickets")
        return cls(
            folder,
            {
                "PATH": os.pathsep.join([str(programs), runtime, os.environ["PATH"]]),
                "HOME": str(home),
                "LANG": "C.UTF-8",
                "COLUMNS": "250",  # no line of the output is folded
                "AWS_ENDPOINT_URL": engine.endpoint_url,
                "AWS_REGION": engine.region,
                "AWS_DEFAULT_REGION": engine.region,  # what the AWS SAM CLI asks for
                "AWS_ACCESS_KEY_ID": engine.access_key_id,
                "AWS_SECRET_ACCESS_KEY": engine.secret_access_key,
                "AWS_PAGER": "",
                "SAM_CLI_TELEMETRY": "0",
                "SAM_CLI_POLL_DELAY": "1",
            },
        )

    def run(self, command: str, answers: list[str] | None = None, code: int | None = 0) -> Ran:
        """Runs a command in the shell, exactly as the documentation prints it.

        answers: the lines to enter at its prompts.
        code: the exit code that it must have; None for any.
        """
        ended = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self.environment,
            input="".join(f"{line}\n" for line in answers or []),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,  # the exit code is checked below
        )
        assert code in (None, ended.returncode), (
            f"{command} ended with {ended.returncode}:\n{ended.stdout}"
        )
        return Ran(ended.returncode, ended.stdout)


def runtime_folder() -> str:
    """The folder with the Python version of the functions, as the Makefile finds it; empty if it is
    not installed."""
    found = subprocess.run(
        ["make", "--no-print-directory", "-s", "runtime-path"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return found.stdout.strip()


def parameters() -> list[str]:
    """The template's parameters, in the order in which `--guided` asks for them."""
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    section = text.split("\nParameters:\n")[1].split("\nConditions:\n")[0]
    return re.findall(r"^  (\w+):$", section, re.MULTILINE)
