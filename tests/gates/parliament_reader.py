"""Runs in .venv/gates: policies as JSON on stdin, parliament's findings as JSON on stdout.

By its API, because its command writes a log with what it has read outside the project.
"""

import json
import sys

from parliament import analyze_policy_string, enhance_finding


def findings(policies: dict[str, object]) -> list[dict[str, str]]:
    """`{"id", "policy", "detail", "title"}` for each finding, by the policies' names."""
    return [
        {"id": one.issue, "policy": name, "detail": str(one.detail), "title": one.title}
        for name, document in policies.items()
        for one in map(enhance_finding, analyze_policy_string(json.dumps(document)).findings)
    ]


if __name__ == "__main__":
    json.dump(findings(json.load(sys.stdin)), sys.stdout)
