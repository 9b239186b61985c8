"""Errors and exit codes of the `tickets` command."""

from tickets import TicketsError

LOADED = 0
LOAD_FAILED = 1
WRONG_USE = 2


class CommandError(TicketsError):
    """The command cannot do its work. `exit_code` tells a failed load from wrong use."""

    def __init__(self, message: str, exit_code: int = WRONG_USE) -> None:
        super().__init__(message)
        self.exit_code = exit_code
