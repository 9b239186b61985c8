"""Errors and exit codes of the `tickets` command.

TicketsError                 a message for the operator, which the command prints
|-- CommandError             the command can't do what was asked; carries the exit code
|-- EngineError              tickets.local.engine: the embedded engine did not start
|-- DefinitionError          tickets.definition: the definition can't be read with the given values
|-- PackagingError           tickets.local.packaging: the template can't be made deployable
|-- DeploymentError          tickets.local.deployment: the engine did not create the stack
`-- StackError               tickets.runs.stack: there is no usable stack
    |-- StackNotFound        no stack has that name
    `-- StackNotUsable       the stack can't be reached, or is of another version or state
"""

FAILED = 1
"""A load failed or would fail, the command found a problem (missing rows, no lineage, failed
checks, waiting failures), or another reader holds some of the dead letters."""
WRONG_USE = 2
"""The command was used wrongly or could not do its work: wrong arguments, no stack, missing
permissions."""
TIMED_OUT = 3
"""--timeout ran out while a load was still running. The load goes on."""


class TicketsError(Exception):
    """Base of the errors that an operator can act on. The text is one sentence that says what is
    wrong and what to do about it; output of other programs may follow on further lines."""


class CommandError(TicketsError):
    """The command can't do what was asked, and exits with `exit_code`."""

    def __init__(self, message: str, exit_code: int = WRONG_USE) -> None:
        super().__init__(message)
        self.exit_code = exit_code
