"""`tickets report`: the page that shows what an execution did."""

from pathlib import Path
from typing import Annotated

import typer

from tickets.cli.browser import open_page
from tickets.cli.console import console, print_json
from tickets.cli.options import SINCE, AsJson, EndpointUrl, Profile, Region, StackName
from tickets.cli.output_file import Force, is_standard_output, output_file
from tickets.errors import CommandError
from tickets.runs import connect
from tickets.runs.filters import parse_since
from tickets.runs.report_pages import make_missing_pages, presigned, report_page

OUTPUT = Path(".tickets")


def report(
    execution: Annotated[
        str | None, typer.Argument(metavar="EXECUTION", help="Name or ARN of the execution.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Save the page here; - is standard output."
        ),
    ] = None,
    force: Force = False,
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    missing: Annotated[
        bool,
        typer.Option("--missing", help="Make the page of every ended execution that has none."),
    ] = False,
    since: Annotated[str, SINCE] = "90d",
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show what an execution did, as a self-contained HTML page.

    The stack makes the page when an execution ends, and keeps it for as long as its report. This
    command prints its address, and makes the page first if it is missing.
    """
    if missing == (execution is not None):
        raise CommandError("Name an execution, or pass --missing.")
    if missing and (output is not None or open_it):
        raise CommandError("--output and --open are for the page of one execution.")
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    if execution is None:
        for address in make_missing_pages(stack, parse_since(since)):
            print_json({"page": address}) if as_json else print(address)
        return
    address, page = report_page(stack, execution)
    name = execution.rpartition(":")[2]
    if output is not None:
        with output_file(output, force) as file:
            file.write(page)
    if is_standard_output(output):
        output = None
    elif as_json:
        print_json({"execution": name, "page": address, "file": str(output) if output else None})
    else:
        console().print(str(output or address), soft_wrap=True, markup=False)
    if open_it:
        _open(output, page, name, presigned(stack, address) if not stack.endpoint_url else None)


def _open(path: Path | None, page: bytes, name: str, url: str | None) -> None:
    """Opens the saved page, the page on AWS, or a copy of a local stack's page."""
    if path is None and url is None:
        OUTPUT.mkdir(exist_ok=True)
        (OUTPUT / ".gitignore").write_text("*\n")
        path = OUTPUT / f"{name}.html"
        path.write_bytes(page)
    target = path.resolve().as_uri() if path is not None else str(url)
    open_page(target)
