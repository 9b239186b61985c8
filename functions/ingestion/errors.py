"""What can go wrong beyond the data itself. Bad data is never an exception.

::

    IngestionError
    |-- ObjectGone               the pinned object version was deleted for good
    |-- ObjectChanged            the object in an unversioned bucket is no longer the pinned one
    |-- NoProgress               a chunk's whole round acknowledged no row: try again later
    |-- TableUnreachable         DynamoDB failed, or did not answer, again and again
    |-- TableMismatch            the table's key or an index doesn't fit the files' columns
    |-- TableRefusesEveryRow     DynamoDB refuses the first rows of a load as invalid, all of them
    `-- AccountingError          counts that must be equal are not: a defect, never retried away
"""


class IngestionError(Exception):
    """Base of all errors that this package raises. Texts never carry a row's values."""


class ObjectGone(IngestionError):
    """The object, or the pinned version of it, does not exist (any more)."""


class ObjectChanged(IngestionError):
    """The object's ETag is not the pinned one (possible only in an unversioned bucket)."""


class NoProgress(IngestionError):
    """The time of a whole round passed without a single acknowledged row."""


class TableUnreachable(IngestionError):
    """DynamoDB failed, or could not be reached, several times in a row for one batch."""


class TableMismatch(IngestionError):
    """The table's key or one of its indexes doesn't fit the files' columns."""


class TableRefusesEveryRow(IngestionError):
    """DynamoDB refuses every row as invalid, and no row of the load was accepted before."""


class AccountingError(IngestionError):
    """Counts that must be equal by construction differ."""
