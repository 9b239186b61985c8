"""The history of loads. It comes from the ledger, because Step Functions keeps executions for only
90 days."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from ingestion.ledger.attempts import LOADS_INDEX, Attempt
from ingestion.ledger.loads import Loads
from ingestion.ledger.store import Entry, deserialize
from tickets.runs.attempts import attempts_of, completed, main_attempt
from tickets.runs.executions import UNKNOWN, known_execution, rows_recorded
from tickets.runs.filters import Wanted
from tickets.runs.stack import Stack

STATUSES = (
    *("RUNNING", "SUCCEEDED", "FAILED", "OVERTAKEN"),
    *("ABORTED", "TIMED_OUT", "UNDONE", UNKNOWN),
)
_DAYS_AT_A_TIME = 8

Load = dict[str, Any]
"""A load's entry in the ledger, with all FIELDS. `recorded_status` is the status in the ledger,
`status` the actual one: they differ if the execution was stopped or timed out, because it could not
record its end. `execution` and the fields about it are those of the newest attempt that did not end
as Already Loaded. `attempts` has all attempts that the ledger has recorded, the oldest first."""

FIELDS = (
    "execution",
    "execution_arn",
    "load_id",
    "bucket",
    "key",
    "version_id",
    "status",
    "recorded_status",
    "ending",
    "started_at",
    "stopped_at",
    "started_by",
    "why",
    "reason",
    "uploader",
    "etag",
    "size",
    "source",
    "rows_read",
    "rows_written",
    "rows_superseded",
    "rows_combined",
    "rows_refused",
    "blank_lines",
    "rows_per_second",
    "throttles",
    "chunks",
    "chunks_finished",
    "summary",
    "error",
    "first_error",
    "unread",
    "replaces",
    "stays",
    "unknown_columns",
    "refused_rows",
    "report",
    "executions",
    "attempts",
)


def list_loads(stack: Stack, wanted: Wanted) -> Iterator[Load]:
    """Yields loads, the newest first.

    `wanted.since` and `wanted.until` are about the starts of their executions. Executions that
    ended before they had a load, for example because S3 denied access, are listed as loads without
    a `load_id`. Raises CommandError for an invalid address.
    """
    return islice(_wanted_loads(stack, wanted), wanted.limit)


def loads_of(stack: Stack, given: Iterable[Attempt | Entry]) -> list[Load]:
    """The loads of attempts and of entries. Only the `load_id` of an entry is used."""
    return list(_loads(stack, list(given), set()))


def list_attempts(stack: Stack, wanted: Wanted) -> Iterator[Attempt]:
    """Yields the attempts that the ledger has recorded, the newest first."""
    found = (
        attempt
        for group in _groups(stack, wanted)
        for attempt in completed(stack, (one for one in group if isinstance(one, Attempt)))
        if wanted.status in (None, attempt.status)
    )
    return islice(found, wanted.limit)


def load_of_execution(stack: Stack, arn: str) -> Load | None:
    """The ledger entry of the load that an execution worked on; None if there is none."""
    attempt = attempts_of(stack).get(arn.rpartition(":")[2])
    if attempt is not None:
        loads = Loads(stack.client("dynamodb"), stack.ledger_table)
        return loads.load(attempt.load_id) if attempt.load_id else None
    # An earlier release recorded no attempts.
    entries = _scanned(stack, Wanted())
    return next((entry for entry in entries if arn in entry["executions"]), None)


def _wanted_loads(stack: Stack, wanted: Wanted) -> Iterator[Load]:
    seen: set[str] = set()
    for group in _groups(stack, wanted):
        for load in _loads(stack, group, seen):
            if wanted.status in (None, load["status"]):
                yield load


def _groups(stack: Stack, wanted: Wanted) -> Iterator[list[Attempt | Entry]]:
    """Yields the wanted attempts and entries of loads, regardless of their status, in groups that
    are read together, the newest first."""
    url = wanted.one_object(stack)
    if url is not None:
        attempts = attempts_of(stack).of_object(url, wanted.since_text, wanted.until_text)
        yield _newest_first([*attempts, *_of_object(stack, url, wanted)])
        return
    first = attempts_of(stack).recorded_since()
    if first is not None:
        # Executions that began before midnight may have been recorded after the first one.
        yield from _by_day(stack, wanted, datetime.fromisoformat(first) - timedelta(days=1))
    # Loads of an earlier release have no attempts, so no index has them by day. On the day of the
    # update, both releases may have recorded loads.
    if first is None or wanted.since is None or wanted.since < _day_after(first):
        entries = _scanned(stack, wanted)
        yield _newest_first(
            [one for one in entries if wanted.matches_object(stack, one["object_url"])]
        )


def _by_day(stack: Stack, wanted: Wanted, first: datetime) -> Iterator[list[Attempt | Entry]]:
    ledger, since, until = attempts_of(stack), wanted.since_text, wanted.until_text
    now = datetime.now(UTC)
    day = min(wanted.until.astimezone(UTC), now).date() if wanted.until else now.date()
    last = max(wanted.since, first).astimezone(UTC).date() if wanted.since else first.date()
    with ThreadPoolExecutor(_DAYS_AT_A_TIME) as pool:
        while day >= last:
            days = [day - timedelta(days=back) for back in range(_DAYS_AT_A_TIME)]
            found = pool.map(
                lambda one: list(ledger.of_day(one.isoformat(), since, until)),
                [one for one in days if one >= last],
            )
            yield [
                one
                for attempts in found
                for one in attempts
                if wanted.matches_object(stack, one.object_url)
            ]
            day = days[-1] - timedelta(days=1)


def _of_object(stack: Stack, url: str, wanted: Wanted) -> Iterator[Entry]:
    """The entries of an object's loads that first started in the wanted time."""
    pages = (
        stack.client("dynamodb")
        .get_paginator("query")
        .paginate(
            TableName=stack.ledger_table,
            IndexName=LOADS_INDEX,
            KeyConditionExpression="object_url = :url AND started_at BETWEEN :since AND :until",
            FilterExpression="entry = :load",
            ExpressionAttributeValues={":url": {"S": url}, **_times(wanted)},
        )
    )
    for page in pages:
        yield from map(deserialize, page["Items"])


def _scanned(stack: Stack, wanted: Wanted) -> Iterator[Entry]:
    """The entries of all loads that first started in the wanted time."""
    pages = (
        stack.client("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=stack.ledger_table,
            IndexName=LOADS_INDEX,
            FilterExpression="entry = :load AND started_at BETWEEN :since AND :until",
            ExpressionAttributeValues=_times(wanted),
        )
    )
    for page in pages:
        yield from map(deserialize, page["Items"])


def _times(wanted: Wanted) -> dict[str, Any]:
    return {
        ":load": {"S": "load"},
        ":since": {"S": wanted.since_text},
        ":until": {"S": wanted.until_text},
    }


def _loads(stack: Stack, group: Sequence[Attempt | Entry], seen: set[str]) -> Iterator[Load]:
    """Yields the loads of a group that are not in `seen`, and adds them to it."""
    group = [one for one in group if _load_id(one) not in seen]
    ledger = Loads(stack.client("dynamodb"), stack.ledger_table)
    entries = {
        entry["load_id"]: entry for entry in ledger.all({*filter(None, map(_load_id, group))})
    }
    executions = {_name(arn) for entry in entries.values() for arn in entry["executions"]}
    attempts = [one for one in group if isinstance(one, Attempt)]
    known = {one.execution: one for one in [*attempts, *ledger.attempts.get_all(executions)]}
    for one in group:
        load_id = _load_id(one)
        if load_id in seen:
            continue
        if load_id is not None and load_id in entries:
            seen.add(load_id)
            own = {_name(arn) for arn in entries[load_id]["executions"]}
            of_load = [a for a in known.values() if a.load_id == load_id or a.execution in own]
            yield _with_actual_status(stack, entries[load_id], of_load)
        elif isinstance(one, Attempt):
            yield _without_load(*completed(stack, [one]))


def _load_id(one: Attempt | Entry) -> str | None:
    return one.load_id if isinstance(one, Attempt) else str(one["load_id"])


def _with_actual_status(stack: Stack, entry: Entry, attempts: Iterable[Attempt]) -> Load:
    attempts = completed(stack, sorted(attempts, key=lambda one: one.started_at))
    found = _load(entry, attempts)
    if entry["status"] != "RUNNING":
        return found
    known = [known_execution(stack, arn) for arn in entry["executions"]]
    executions = [execution for execution in known if execution is not None]
    if any(execution.status == "RUNNING" for execution in executions):
        return found
    # The last of them may have recorded the load's end since the entry was read.
    now = Loads(stack.client("dynamodb"), stack.ledger_table).load(entry["load_id"]) or entry
    if now["status"] != "RUNNING":
        return _load(now, attempts)
    rows = rows_recorded(stack, entry)
    if not executions:
        return {**found, **rows, "status": UNKNOWN}
    newest = max(executions, key=lambda execution: execution.described["startDate"])
    return {**found, **rows, "status": newest.status, "error": newest.failure}


def _load(entry: Entry, attempts: list[Attempt]) -> Load:
    """The load with FIELDS first (None if the entry lacks one), then the entry's other attributes
    except the key `entry`."""
    main = main_attempt(attempts)
    failed = entry["status"] not in ("RUNNING", "SUCCEEDED", "UNDONE")
    values = {
        **entry,
        "recorded_status": entry["status"],
        "stopped_at": entry.get("finished_at"),
        "error": entry.get("summary") if failed else None,
        "attempts": [attempt.to_json() for attempt in attempts],
    }
    if main is not None:
        of_attempt = ("execution", "execution_arn", "ending", "started_by", "why", "reason")
        values |= {name: getattr(main, name) for name in of_attempt}
    else:
        arn = entry["executions"][-1]
        values |= {"execution": _name(arn), "execution_arn": arn}
    values = {name: value for name, value in values.items() if name not in ("entry", "finished_at")}
    return {name: values.get(name) for name in FIELDS} | values


def _without_load(attempt: Attempt) -> Load:
    """An execution that ended before it had a load."""
    values = {**attempt.to_json(), "recorded_status": None, "attempts": [attempt.to_json()]}
    values |= {"executions": [attempt.execution_arn], "object_url": attempt.object_url}
    return {name: values.get(name) for name in FIELDS} | {"object_url": attempt.object_url}


def _newest_first(found: list[Attempt | Entry]) -> list[Attempt | Entry]:
    def started(one: Attempt | Entry) -> str:
        return one.started_at if isinstance(one, Attempt) else str(one["started_at"])

    return sorted(found, key=started, reverse=True)


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]


def _day_after(first: str) -> datetime:
    return datetime.fromisoformat(first) + timedelta(days=1)
