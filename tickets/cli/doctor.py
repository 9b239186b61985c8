"""`tickets doctor`: checks a deployed stack."""

from collections import Counter

import typer
from rich.console import Console
from rich.text import Text

from tickets.cli.console import console, print_json
from tickets.cli.options import AsJson, EndpointUrl, Profile, Region, StackName
from tickets.doctor.diagnosis import diagnose
from tickets.doctor.findings import FAILED as CHECK_FAILED
from tickets.doctor.findings import OK, UNKNOWN, WARNING, Finding
from tickets.errors import FAILED
from tickets.runs import connect

_SHOWN = {OK: "ok", WARNING: "warning", CHECK_FAILED: "failed", UNKNOWN: "can't tell"}
_STYLES = {OK: "green", WARNING: "yellow", CHECK_FAILED: "bold red", UNKNOWN: "dim"}
_WIDTH = max(map(len, _SHOWN.values()))


def doctor(
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Check a deployed stack, without changing anything.

    Prints one line per check, and what to do about each problem. The exit code is 1 if a check
    failed. If your credentials or the local stack don't allow a check, its line says "can't tell";
    that is not a failure.
    """
    out = console(quiet=as_json)
    counts: Counter[str] = Counter()
    for finding in diagnose(lambda: connect.find_stack(stack_name, endpoint_url, region, profile)):
        counts[finding.status] += 1
        if as_json:
            print_json(finding)
        else:
            _print_finding(finding, out)
    out.print("\n" + ", ".join(f"{counts[status]} {shown}" for status, shown in _SHOWN.items()))
    if counts[CHECK_FAILED]:
        raise typer.Exit(FAILED)


def _print_finding(finding: Finding, out: Console) -> None:
    status = Text(_SHOWN[finding.status].ljust(_WIDTH), style=_STYLES[finding.status])
    out.print(Text.assemble(status, f"  {finding.check}: {finding.detail}"), soft_wrap=True)
    if finding.next:
        out.print(Text(f"{'':{_WIDTH}}  next: {finding.next}"), soft_wrap=True)
