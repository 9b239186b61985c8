"""Options and arguments that several commands share."""

from typing import Annotated

import typer

from tickets.cli.next_step import repeated

STACK_PANEL = "Which stack"
"""The heading of these options in a command's help."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON lines and nothing else.")]
StackName = Annotated[
    str | None,
    typer.Option(
        "--stack-name",
        metavar="NAME",
        envvar="TICKETS_STACK_NAME",
        help="Name of the stack. Default: the one in samconfig.toml, or else tickets.",
        callback=repeated,
        rich_help_panel=STACK_PANEL,
    ),
]
EndpointUrl = Annotated[
    str | None,
    typer.Option(
        "--endpoint-url",
        metavar="URL",
        envvar="AWS_ENDPOINT_URL",
        help="Address of a local stack. Default: AWS.",
        callback=repeated,
        rich_help_panel=STACK_PANEL,
    ),
]
Region = Annotated[
    str | None,
    typer.Option(
        "--region",
        metavar="REGION",
        # boto3 reads only the second one, other AWS tools read both.
        envvar=["AWS_REGION", "AWS_DEFAULT_REGION"],
        help="AWS region of the stack.",
        callback=repeated,
        rich_help_panel=STACK_PANEL,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="AWS profile with the credentials.",
        callback=repeated,
        rich_help_panel=STACK_PANEL,
    ),
]
Wait = Annotated[
    bool,
    typer.Option(
        "--wait", "--follow", help="Wait until the load has ended, and show its progress."
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0,
        help="With --wait: maximum number of seconds to wait. After that, the load goes on, and "
        "the exit code is 3.",
        show_default=False,
    ),
]
SINCE = typer.Option(
    "--since",
    metavar="TIME",
    help="Only those started since then: 90m, 12h or 7d ago, or a date like 2026-11-01.",
)
Since = Annotated[str | None, SINCE]
Until = Annotated[
    str | None,
    typer.Option(
        "--until",
        metavar="TIME",
        help="Only those started until then, written like --since. A date includes the whole day.",
    ),
]
KeyPattern = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="GLOB",
        help="Only those of objects with this key in the upload bucket, or with this "
        "s3://bucket/key. * stands for any characters within a folder, ** for any characters, ? "
        "for one.",
    ),
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="List at most this many, the newest ones.")
]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV, with a line of column names.")]
ExecutionName = Annotated[
    str, typer.Argument(metavar="EXECUTION", help="Name or ARN of the execution.")
]
ReasonText = Annotated[
    str | None,
    typer.Option("--reason", help="Why you do this. The ledger keeps it.", show_default=False),
]
