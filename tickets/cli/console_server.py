"""`tickets console`: the pages of a stack, in a browser on this machine."""

import threading
from contextvars import Context, copy_context
from functools import partial
from importlib.util import find_spec
from typing import Annotated

import typer
from botocore.exceptions import ClientError

from tickets.cli.browser import open_page
from tickets.cli.console import print_json
from tickets.cli.errors import sentence
from tickets.cli.options import AsJson, EndpointUrl, Profile, Region, StackName
from tickets.errors import CommandError
from tickets.runs import connect
from tickets.runs.stack import Stack

_TIMEOUT_SECONDS = 5.0
_THROTTLED = {
    *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled"),
    *("TooManyRequestsException", "ProvisionedThroughputExceededException", "SlowDown"),
}


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
    find = partial(_find, copy_context(), stack_name, endpoint_url, region, profile)
    stack = find()
    check_packages()
    from tickets.console.connection import Connection
    from tickets.console.server import run

    def ready(address: str) -> None:
        if as_json:
            print_json({"address": address})
        else:
            print(f"{address}  (Ctrl-C ends the console)", flush=True)
        if browser:
            # In a thread, because a browser in the terminal returns when it is closed.
            threading.Thread(target=open_page, args=(address,), daemon=True).start()

    run(Connection(stack, find), port, allow_changes=allow_changes, explain=explain, ready=ready)


def check_packages() -> None:
    """Raises CommandError if the packages of the extra `console` are missing."""
    if any(find_spec(module) is None for module in ("hypercorn", "starlette")):
        raise CommandError(
            "The console needs packages that are not installed: run `pip install '.[console]'` in "
            "the project's folder."
        )


def _find(context: Context, *given: str | None) -> Stack:
    """Finds the stack as the command's options say it, in any thread."""
    return context.copy().run(connect.find_stack, *given).with_timeout(_TIMEOUT_SECONDS)


def explain(error: Exception) -> str:
    """Says in a sentence why a page could not be read."""
    if isinstance(error, ClientError) and error.response["Error"].get("Code", "") in _THROTTLED:
        return f"AWS throttles {error.operation_name}. The console tries again by itself."
    return sentence(error) or f"{type(error).__name__}: {error}"
