"""checkov and parliament on the template as it is deployed: `make check-security`.

Both check the template after the SAM transform, with every reference and condition resolved (see
tests/support/deployed.py): with default parameters, with a customer key, and also with buckets that
the stack doesn't create. So neither is misled by CloudFormation's functions, and the key's policy
is checked as well. Neither uses the network.
Accepted findings are listed in suppressions.toml, with a reason.

    python -m tests.gates.linters checkov|parliament
"""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tests.support.deployed import ROOT, Stack, deploy

TOOLS = ROOT / ".venv" / "gates" / "bin"
WRITTEN = ROOT / "build" / "check"
VARIANTS: dict[str, dict[str, str]] = {
    "default": {},
    "customer-key": {"CustomerKey": "true"},
    "existing-bucket": {
        "CustomerKey": "true",
        "ExistingUploadBucket": "till-files",
        "UploadTopicArn": "arn:aws:sns:eu-central-1:123456789012:uploads",
        "ReadableBuckets": "archive-2025,archive-2026",
        "ReadableKeyArns": "arn:aws:kms:eu-central-1:123456789012:key/1f",
    },
}


class GateError(Exception):
    """A linter did not check what it should have checked."""


@dataclass(frozen=True)
class Finding:
    id: str
    variant: str
    resource: str
    """Logical id."""
    detail: str
    title: str

    def __str__(self) -> str:
        return f"{self.id} {self.resource} ({self.variant}): {self.title}. {self.detail}".rstrip()


@dataclass(frozen=True)
class Suppression:
    id: str
    resources: Sequence[str]
    reason: str
    variant: str | None = None
    detail: str | None = None

    def __str__(self) -> str:
        return f"{self.id} {', '.join(self.resources)} {self.detail or ''}".rstrip()

    def covers(self, finding: Finding) -> bool:
        return (
            self.id == finding.id
            and self.variant in (None, finding.variant)
            and self.detail in (None, finding.detail)
            and any(fnmatchcase(finding.resource, one) for one in self.resources)
        )


def suppressions(linter: str) -> list[Suppression]:
    path = Path(__file__).with_name("suppressions.toml")
    return [Suppression(**one) for one in tomllib.loads(path.read_text(encoding="utf-8"))[linter]]


def complaints(findings: Sequence[Finding], forgiven: Sequence[Suppression]) -> list[str]:
    """Returns the findings that are not accepted, and the suppressions that aren't needed."""
    found = [
        str(finding) for finding in findings if not any(one.covers(finding) for one in forgiven)
    ]
    stale = [
        f"suppressions.toml has an entry that is no longer needed: {one}"
        for one in forgiven
        if not any(one.covers(finding) for finding in findings)
    ]
    return found + stale


# ---------------------------------------------------------------- checkov


def checkov(stacks: Mapping[str, Stack]) -> list[Finding]:
    """checkov's failed checks. Raises GateError if it could not read a template."""
    WRITTEN.mkdir(parents=True, exist_ok=True)
    paths = {}
    for variant, stack in stacks.items():
        paths[variant] = WRITTEN / f"{variant}.json"
        paths[variant].write_text(json.dumps({"Resources": stack.resources}, indent=1, default=str))
    ran = subprocess.run(
        [
            *(str(TOOLS / "checkov"), "--framework", "cloudformation", "--skip-download"),
            *("--quiet", "--compact", "--output", "json", "--file", *map(str, paths.values())),
        ],
        # Without the guidelines' download there is a warning for each rule.
        env={**os.environ, "LOG_LEVEL": "ERROR", "PYTHONWARNINGS": "ignore"},
        cwd=WRITTEN,  # it looks for a configuration of its own in the current folder
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        answer = json.loads(ran.stdout)
        failed = answer["results"]["failed_checks"]
        summary = answer["summary"]
    except (ValueError, KeyError, TypeError) as error:
        raise GateError(f"checkov has checked nothing:\n{ran.stdout}\n{ran.stderr}") from error
    if summary["parsing_errors"] or not summary["resource_count"]:
        raise GateError(f"checkov could not read the template: {summary}")
    return [
        Finding(
            one["check_id"],
            Path(one["file_path"]).stem,
            one["resource"].rpartition(".")[2],
            "",
            one["check_name"],
        )
        for one in failed
    ]


# ---------------------------------------------------------------- parliament


def policies(stack: Stack) -> Iterator[tuple[str, Any]]:
    """The policies of roles, buckets, queues and keys by the logical id of their resource.

    Not those that say who may assume a role: parliament supports none without a resource, and
    tests/template/test_permissions.py compares them whole.
    """
    for name, resource in stack.resources.items():
        properties = resource.get("Properties", {})
        for policy in properties.get("Policies", []):
            if isinstance(policy, dict) and "PolicyDocument" in policy:
                yield name, policy["PolicyDocument"]
        for place in ("PolicyDocument", "KeyPolicy"):
            if place in properties:
                yield name, properties[place]


def parliament(stacks: Mapping[str, Stack]) -> list[Finding]:
    """parliament's findings. Raises GateError if it does not run."""
    documents = {
        f"{variant} {name} {number}": document
        for variant, stack in stacks.items()
        for number, (name, document) in enumerate(policies(stack))
    }
    if not documents:
        raise GateError("The template has no policies.")
    ran = subprocess.run(
        [
            *(str(TOOLS / "python"), "-W", "ignore", "-P"),
            str(Path(__file__).with_name("parliament_reader.py")),
        ],
        input=json.dumps(documents),
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise GateError(f"parliament has failed:\n{ran.stderr}")
    found = []
    for one in json.loads(ran.stdout):
        variant, resource = one["policy"].split()[:2]
        found.append(Finding(one["id"], variant, resource, one["detail"], one["title"]))
    return found


LINTERS = {"checkov": checkov, "parliament": parliament}


def main(linter: str) -> int:
    stacks = {name: deploy(None, **parameters) for name, parameters in VARIANTS.items()}
    forgiven = suppressions(linter)
    try:
        findings = LINTERS[linter](stacks)
    except GateError as error:
        print(error, file=sys.stderr)
        return 2
    found = complaints(findings, forgiven)
    for one in found:
        print(one)
    if not found:
        print(f"{linter}: only the {len(forgiven)} accepted findings of suppressions.toml")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
