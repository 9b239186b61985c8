"""What has to be done about a failed load: the verb of the `tickets` command."""

from collections.abc import Collection

REPLAY, DISMISS, LIST_REFUSED = "replay", "dismiss", "refused"

NOT_IN_THE_FILE = frozenset(
    {
        *("access_denied", "archived", "kms_key_unusable", "out_of_time"),
        *("table_missing", "table_not_active", "other_primary_key"),
        *("key_not_provided", "key_type", "index_key_type"),
    }
)
"""Reasons to refuse a file that may no longer apply to a replay although the file is the same."""


def is_refused(error: str | None, reasons: Collection[str]) -> bool:
    """Whether a file was refused for what it contains, so that a replay would refuse the same bytes
    again.

    error: the error of the dead letter. reasons: the codes of its reasons, if it has some.
    """
    return error == "FileRefused" and not (reasons and NOT_IN_THE_FILE.issuperset(reasons))


def remedy(*, refused: bool, rows_refused: int | None, all_chunks_done: bool, settled: bool) -> str:
    """The verb of the command that deals with a failed load: one of the constants above.

    refused: see `is_refused`. settled: whether the file, or a later version of it, has been loaded
    since; then a replay only deletes the dead letter.
    """
    if settled:
        return REPLAY
    if refused:
        return DISMISS
    return LIST_REFUSED if rows_refused and all_chunks_done else REPLAY
