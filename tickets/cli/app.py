"""The command `tickets`: its subcommands, in the order in which --help lists them."""

from importlib.metadata import version
from typing import Annotated

import typer

from tickets.cli.audit import audit
from tickets.cli.check import check
from tickets.cli.command import Command, Group, with_config_env
from tickets.cli.dead_letters import dead_letters, dismiss
from tickets.cli.demo import demo
from tickets.cli.doctor import doctor
from tickets.cli.draft import draft
from tickets.cli.executions import executions
from tickets.cli.failures import replay, stop
from tickets.cli.ingest import ingest
from tickets.cli.loads import loads
from tickets.cli.local import local_app
from tickets.cli.query import query
from tickets.cli.refused_rows import refused
from tickets.cli.resubmit import resubmit
from tickets.cli.sample import sample
from tickets.cli.show import show
from tickets.cli.sources import sources_app
from tickets.cli.status import status
from tickets.cli.trace import trace
from tickets.cli.undo import undo
from tickets.cli.verify import verify

app = typer.Typer(
    rich_markup_mode="markdown",  # so that lines of a docstring are joined to paragraphs
    name="tickets",
    cls=Group,
    help="Loads CSV files of purchase tickets from S3 into DynamoDB and accounts for every row.",
    epilog="Exit codes: 0 success; 1 a load failed, an audit found missing rows, a check of doctor "
    "or verify failed, or another process was reading the dead-letter queues; 2 the command was "
    "used wrongly or could not do its work; 3 --timeout ran out, and the load goes on.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tickets {version('tickets')}")
        raise typer.Exit


@app.callback()
def _main(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None: ...


for _command in (
    demo,
    check,
    ingest,
    status,
    executions,
    loads,
    show,
    refused,
    resubmit,
    audit,
    query,
    trace,
    undo,
    dead_letters,
    replay,
    dismiss,
    stop,
    doctor,
    verify,
    sample,
):
    app.command(_command.__name__.replace("_", "-"), cls=Command)(with_config_env(_command))
sources_app.command("draft", cls=Command)(draft)
app.add_typer(sources_app, name="sources", cls=Group)
app.add_typer(local_app, name="local", cls=Group)
