"""Each gate is closed by the fault that it exists for.

A copy of the project gets one fault, then the gate runs there as `make check` or `make test` runs
it. It must fail, and say what was planted: a gate that fails for another reason proves nothing.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_COPIED = {
    *(".git", ".venv", ".tickets", ".aws-sam", "build", "__pycache__"),
    *(".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"),
}
# What is installed is the project's own, and is not installed again from the copy.
INSTALLED = (".created", ".runtime", ".dev", ".gates")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def run(*command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    # A make that runs these tests must not lend its own flags and job server.
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")
    }
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def tools() -> None:
    """What the gates run with, npm's included. Tests may run in several processes."""
    with (ROOT / ".venv" / "check-tools.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = run("make", "check-tools", folder=ROOT)
    assert ran.returncode == 0, ran.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(ROOT, folder, ignore=lambda _, names: NOT_COPIED.intersection(names))
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


def make(folder: Path, target: str) -> "subprocess.CompletedProcess[str]":
    old = [part for stamp in INSTALLED for part in ("--old-file", f".venv/{stamp}")]
    return run("make", *old, target, folder=folder)


@dataclass(frozen=True)
class Fault:
    """``old`` becomes ``new``, once, in a file; without ``old`` the file is made. ``gate`` is a
    target of make or a test; it must say every text of ``says``."""

    name: str
    path: str
    old: str | None
    new: str
    gate: str
    says: tuple[str, ...]

    def plant(self, folder: Path) -> None:
        path = folder / self.path
        if self.old is None:
            assert not path.exists()
            path.write_text(self.new, encoding="utf-8")
            return
        text = path.read_text(encoding="utf-8")
        assert self.old in text, f"{self.path} has changed: plant this fault elsewhere"
        path.write_text(text.replace(self.old, self.new, 1), encoding="utf-8")


CODE = "functions/ingestion/planted.py"
DEFINITION = "statemachine/ingest.asl.json"
PERMISSIONS = "tests/template/test_permissions.py::"
READ = "Action: [s3:GetObject, s3:GetObjectVersion]"

CODE_FAULTS = [
    Fault(
        "format",
        CODE,
        None,
        "x = {  'a':1 }\n",
        "check-code",
        ("would be reformatted", CODE),
    ),
    Fault(
        "a shell",
        CODE,
        None,
        '"""Planted."""\n\nimport subprocess\n\nsubprocess.run("ls", shell=True, check=True)\n',
        "check-code",
        ("S602", CODE),
    ),
]
OTHER_CODE_FAULTS = [
    Fault(
        "a wrong type",
        CODE,
        None,
        '"""Planted."""\n\n\ndef size(text: str) -> int:\n    """Its size."""\n    return text\n',
        "check-types",
        (f"{CODE}:6: error: Incompatible return value type", "[return-value]"),
    ),
]
TEMPLATE_FAULTS = [
    Fault(
        "a message kept too long",
        "template.yaml",
        "MessageRetentionPeriod: 1209600",
        "MessageRetentionPeriod: 1309600",
        "check-template",
        ("E3034", "1309600"),
    ),
    Fault(
        "a public bucket",
        "template.yaml",
        "BlockPublicAcls: true",
        "BlockPublicAcls: false",
        "check-security",
        ("CKV_AWS_53 UploadBucket (default)", "CKV_AWS_53 UploadBucket (customer-key)"),
    ),
    Fault(
        "a table without backups",
        "template.yaml",
        "PointInTimeRecoveryEnabled: true",
        "PointInTimeRecoveryEnabled: false",
        "check-security",
        ("CKV_AWS_28 ",),
    ),
    Fault(
        "a queue without the customer key",
        "template.yaml",
        "KmsMasterKeyId: !If [CustomerKey, !GetAtt Key.Arn, !Ref AWS::NoValue]",
        "KmsMasterKeyId: !Ref AWS::NoValue",
        "check-security",
        ("CKV_AWS_27 UploadQueue (customer-key)",),
    ),
    Fault(
        "a misspelled action",
        "template.yaml",
        READ,
        "Action: [s3:GetObjekt, s3:GetObjectVersion]",
        "check-security",
        ("UNKNOWN_ACTION ValidateFileRole (default)", "s3:GetObjekt"),
    ),
    Fault(
        "a resource of the wrong type",
        "template.yaml",
        f"{READ}\n              Resource: !Sub ${{UploadBucket.Arn}}/*",
        f"{READ}\n              Resource: !GetAtt UploadBucket.Arn",
        "check-security",
        ("RESOURCE_MISMATCH ValidateFileRole (default)", "s3:GetObject"),
    ),
    Fault(
        "a suppression that is not needed",
        "tests/gates/suppressions.toml",
        'resources = ["IngestMapPolicy"]',
        'resources = ["SomeOther"]',
        "check-security",
        ("no longer needed: RESOURCE_MISMATCH", "RESOURCE_MISMATCH IngestMapPolicy"),
    ),
    Fault(
        "a state that is not there",
        DEFINITION,
        '"Next": "Take Turn"',
        '"Next": "Take Turns"',
        "check-definition",
        ("Take Turns",),
    ),
]
OWN_RULES = [
    Fault(
        "a wildcard action",
        "template.yaml",
        READ,
        "Action: [s3:Get*]",
        f"{PERMISSIONS}test_no_action_is_a_wildcard",
        ("ValidateFileRole allows s3:Get*",),
    ),
    Fault(
        "a secret variable",
        "template.yaml",
        "LEDGER_TABLE: !Ref LedgerTable",
        "LEDGER_TABLE: !Ref LedgerTable\n          MODE: hunter2",
        "tests/template/test_functions.py::test_no_secret_is_in_an_environment_variable",
        ("MODE is a literal", "1 failed"),
    ),
    Fault(
        "a right that a function does not use",
        "template.yaml",
        READ,
        "Action: [s3:GetObject, s3:GetObjectVersion, s3:DeleteObject]",
        f"{PERMISSIONS}test_a_function_may_do_exactly_this[ValidateFile]",
        ("s3:DeleteObject",),
    ),
    Fault(
        "plain HTTP",
        "template.yaml",
        'aws:SecureTransport: "false"',
        'aws:SecureTransport: "true"',
        "tests/template/test_uploads.py::test_requests_without_tls_are_refused",
        ("SecureTransport",),
    ),
    Fault(
        "an alarm without a page",
        "docs/operations.md",
        "### Uploads wait\n",
        "### Uploads are late\n",
        "tests/template/test_alarms.py::"
        "test_an_alarm_says_what_is_wrong_and_names_its_page[UploadsWaitingAlarm]",
        ("docs/operations.md has no page #uploads-wait",),
    ),
    Fault(
        "a value in the log",
        "functions/ingestion/csv_files/refused_rows.py",
        "    end = MAX_RAW_BYTES\n",
        "    print(raw)\n    end = MAX_RAW_BYTES\n",
        "tests/handlers/test_values_stay_inside.py::"
        "test_no_value_of_a_file_is_told[a malformed quote]",
        ("A row's value is told outside, in", "what is printed"),
    ),
    Fault(
        "a check that is gone",
        "docs/security.md",
        "`make check-security`",
        "`make check-safety`",
        "tests/gates/test_security_page.py",
        ("make check-safety",),
    ),
]


def gate_is_closed(fault: Fault, folder: Path) -> None:
    fault.plant(folder)
    if fault.gate.startswith("tests/"):
        pytest_here = str(ROOT / ".venv" / "bin" / "pytest")
        ran = run(pytest_here, "-q", "-p", "no:cacheprovider", fault.gate, folder=folder)
    else:
        ran = make(folder, fault.gate)
    said = ran.stdout + ran.stderr
    assert ran.returncode != 0, f"{fault.gate} lets it pass:\n{said}"
    for text in fault.says:
        assert text in said, said
    assert "pip install" not in said


def named(faults: list[Fault]) -> list[object]:
    return [pytest.param(fault, id=fault.name.replace(" ", "_")) for fault in faults]


@pytest.mark.parametrize("fault", named([*CODE_FAULTS, OWN_RULES[0]]))
def test_a_planted_fault_closes_its_gate(fault: Fault, copy: Path) -> None:
    gate_is_closed(fault, copy)


@pytest.mark.exhaustive
@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", named([*OTHER_CODE_FAULTS, *TEMPLATE_FAULTS, *OWN_RULES[1:]]))
def test_every_planted_fault_closes_its_gate(fault: Fault, copy: Path, tools: None) -> None:
    gate_is_closed(fault, copy)


def test_make_check_runs_every_gate() -> None:
    """So that what closes a gate here makes `make check` fail."""
    planned = run("make", "--dry-run", "check", folder=ROOT).stdout
    for command in (
        *("ruff format --check", "ruff check", "bin/mypy", "cfn-lint template.yaml"),
        *("tests.gates.linters checkov", "tests.gates.linters parliament", "asl-validator --json"),
    ):
        assert command in planned, command
