"""`tickets console`: the pages of a stack, in a browser on this machine."""

import webbrowser
from typing import Annotated

import typer

from tickets.cli.console import print_json
from tickets.cli.errors import sentence
from tickets.cli.options import AsJson, EndpointUrl, Profile, Region, StackName
from tickets.errors import CommandError
from tickets.runs import connect


def console(
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 for a free one.")
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="Let the pages replay and dismiss loads.")
    ] = False,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Watch loads in a browser, until Ctrl-C.

    The pages are served on this machine only, and use your own credentials. They change nothing
    unless --allow-changes is given.
    """
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    try:
        from tickets.console.server import run
    except ModuleNotFoundError as error:
        raise CommandError(
            "The console needs packages that are not installed: install tickets[console]."
        ) from error

    def ready(address: str) -> None:
        if as_json:
            print_json({"address": address})
        else:
            print(f"{address}  (Ctrl-C ends the console)", flush=True)
        if browser:
            webbrowser.open(address)

    run(
        stack,
        port,
        allow_changes=allow_changes,
        explain=lambda error: sentence(error) or f"{type(error).__name__}: {error}",
        ready=ready,
    )
