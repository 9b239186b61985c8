"""The stack that the console shows, with clients that don't wait long."""

import threading
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from tickets.errors import TicketsError
from tickets.runs.aws_errors import is_about_credentials
from tickets.runs.stack import Stack


class Connection:
    """Finds the stack again when the credentials have expired: only a new session reads those that
    have been renewed since."""

    def __init__(self, stack: Stack, find: Callable[[], Stack] | None = None) -> None:
        self.stack = stack
        self._find = find
        self._lock = threading.Lock()

    def failed(self, error: Exception) -> None:
        """Finds the stack again if a call failed because of the credentials."""
        if self._find is None or not is_about_credentials(error):
            return
        with self._lock:
            try:
                self.stack = self._find()
            except (TicketsError, BotoCoreError, ClientError):
                return  # they have not been renewed yet
