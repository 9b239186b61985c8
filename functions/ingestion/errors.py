"""Defines the errors that make a task fail. Bad data never raises one: it is refused instead.

::

    IngestionError
    |-- ObjectGone               the object, or its pinned version, does not exist
    |-- ObjectChanged            the object in an unversioned bucket was overwritten
    |-- ObjectUnreadable         S3 doesn't return the object until somebody changes something
    |-- NoProgress               a call ran out of time without any progress: retry later
    |-- TableUnreachable         DynamoDB failed repeatedly, or did not respond
    |-- TableMismatch            the table can't store the file's rows
    |-- TableRefusesEveryRow     DynamoDB refused all rows of the load so far as invalid
    `-- AccountingError          counts that must be equal differ: a defect that retries don't fix
"""


class IngestionError(Exception):
    """Base class of the errors that make a task fail. Messages never contain a row's values."""


class ObjectGone(IngestionError):
    """The object, or the pinned version of it, does not exist, or no longer exists."""


class ObjectChanged(IngestionError):
    """The object's ETag is not the expected one. This only happens if no version is pinned."""


class ObjectUnreadable(IngestionError):
    """S3 doesn't return the object, for a cause that retries don't remove.

    `reason` is the code of the refusal. The message is `cause`, which says why, and after it
    what to do about it.
    """

    def __init__(self, reason: str, cause: str, remedy: str) -> None:
        super().__init__(f"{cause} {remedy}")
        self.reason = reason
        self.cause = cause


class NoProgress(IngestionError):
    """A call ran out of time before a single row was acknowledged or settled."""


class TableUnreachable(IngestionError):
    """DynamoDB failed or did not respond several times in a row for one batch."""


class TableMismatch(IngestionError):
    """The table can't store the file's rows.

    It does not exist or is not active, or its key or an index doesn't fit the file's columns. Also
    raised if the table refuses a row that it has accepted before.
    """


class TableRefusesEveryRow(IngestionError):
    """DynamoDB refused every row so far as invalid, and accepted no other row of the load."""


class AccountingError(IngestionError):
    """Counts that must be equal by construction differ. The cause is a defect."""
