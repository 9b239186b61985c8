"""Equal errors of chunks are one group, whatever differs in their numbers and ids."""

from botocore.exceptions import ClientError

from ingestion.contracts import ErrorGroup
from ingestion.errors import TableUnreachable
from ingestion.tasks.chunk_errors import (
    ChunkError,
    describe_error,
    group_errors,
    with_first_error,
)


def denied(chunk: int) -> ChunkError:
    return ChunkError(chunk, "AccessDeniedException", "BatchWriteItem: User: x is not authorized.")


def timed_out(chunk: int) -> ChunkError:
    request = f"7b0c7a5e-1b1f-4a6e-9b0d-{chunk:012x}"
    return ChunkError(chunk, "Timeout", f"RequestId: {request} ended after {chunk}.00 seconds")


def test_the_most_frequent_error_comes_first_with_the_ranges_of_its_chunks() -> None:
    errors = [timed_out(4), denied(7), denied(0), timed_out(5), denied(2), denied(1), denied(9)]
    assert group_errors(errors) == [
        ErrorGroup(*denied(0)[1:], chunks=5, indexes="0-2, 7, 9"),
        ErrorGroup(*timed_out(4)[1:], chunks=2, indexes="4-5"),
    ]


def test_groups_and_ranges_are_bounded() -> None:
    names = [ChunkError(at, f"Error{'x' * at}", "m") for at in range(8)]
    assert len(group_errors(names)) == 5
    [group] = group_errors(denied(at) for at in range(0, 4000, 2))
    assert group.indexes == "0, 2, 4, 6, 8, 10, 12, 14, 16, 18 and 1,990 more"
    assert group.chunks == 2000


def test_an_error_of_aws_has_its_code_and_the_call_that_failed() -> None:
    answer = {"Error": {"Code": "AccessDenied", "Message": "no" * 1000}}
    name, message = describe_error(ClientError(answer, "PutObject"))  # type: ignore[arg-type]  # shorter
    assert (name, message[:15], len(message)) == ("AccessDenied", "PutObject: nono", 1000)
    assert describe_error(TableUnreachable("It's away.")) == ("TableUnreachable", "It's away.")


def test_the_summary_ends_with_the_most_frequent_error() -> None:
    summary = "4 of 4 chunks are not finished; the first is chunk 0."
    one = group_errors([denied(0), denied(1)])
    two = group_errors([denied(0), denied(1), timed_out(2)])
    first = "Chunks 0-1: AccessDeniedException: BatchWriteItem: User: x is not authorized."
    assert with_first_error(summary, []) == summary
    assert with_first_error(summary, one) == f"{summary} {first}"
    assert with_first_error(summary, two) == f"{summary} {first} There is another error."
