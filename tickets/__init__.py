"""The `tickets` command: loads files, shows what became of them, and runs the stack locally.

cli/      the commands: options, output and exit codes; nothing else prints
runs/     a deployed stack: uploads, executions, loads, dead letters, replays, refused rows
check/    a check of a local file, with the functions' own code
draft/    a source's declaration, drafted by looking at a file
doctor/   checks of a deployed stack that change nothing
verify/   checks of a deployed stack that load test files whose results are known
local/    the stack on this machine, on an embedded engine
console/  the pages that show a stack in a browser

definition  the state machine's definition, with its placeholders replaced
sample      made-up ticket files
errors      errors and exit codes
"""

from pathlib import Path

_PARENT = Path(__file__).resolve().parent.parent

# A package that is not installed as editable has no deployable files beside it. The command then
# uses those in the current folder, as `sam` does.
ROOT = _PARENT if (_PARENT / "template.yaml").is_file() else Path()
"""The checkout, which contains template.yaml, samconfig.toml, functions/ and statemachine/."""

TEMPLATE = ROOT / "template.yaml"
