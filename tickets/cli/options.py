"""Options and arguments that several commands of `tickets` share."""

from typing import Annotated

import typer

_STACK = "Which stack"

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output, and nothing else.")]
StackName = Annotated[
    str | None,
    typer.Option(
        "--stack-name",
        help="The stack's name; samconfig.toml's by default.",
        rich_help_panel=_STACK,
    ),
]
EndpointUrl = Annotated[
    str | None,
    typer.Option(
        "--endpoint-url",
        envvar="AWS_ENDPOINT_URL",
        help="The local stack's address; AWS by default.",
        rich_help_panel=_STACK,
    ),
]
Region = Annotated[
    str | None,
    typer.Option(
        "--region",
        # boto3 itself looks at the second only, the AWS command line at both.
        envvar=["AWS_REGION", "AWS_DEFAULT_REGION"],
        help="The stack's AWS region.",
        rich_help_panel=_STACK,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", help="The AWS profile to sign in with.", rich_help_panel=_STACK),
]
Name = Annotated[str, typer.Argument(metavar="EXECUTION", help="The execution's name or ARN.")]
