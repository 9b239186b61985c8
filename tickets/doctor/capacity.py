"""Compares the stack's bounds with Lambda's concurrency and with the table's throughput."""

from tickets.doctor.deployment import Deployment
from tickets.doctor.findings import Verdict, failed, ok, unknown, warning

QUOTAS = "docs/operations.md#quotas-to-raise"
# "Concurrent executions" of Lambda, in Service Quotas.
_QUOTA_CODE = "L-B99A9384"


def concurrency(deployment: Deployment) -> Verdict:
    """Whether the calls that the stack makes at the same time fit what the account has left.

    Chunks of all loads are LoadsAtATime x MapConcurrency, and come out of a reservation if
    WriteChunkConcurrency isn't 0. The calls that start executions and make report pages are added.
    """
    if deployment.is_local:
        return unknown("the engine has no quota")
    template = deployment.template
    loads, parallel, reserved = (
        int(template.parameter(name))
        for name in ("LoadsAtATime", "MapConcurrency", "WriteChunkConcurrency")
    )
    starting, pages = (
        int(template.properties(name)["ScalingConfig"]["MaximumConcurrency"])
        for name in ("StartExecutionUploads", "WriteReportPageEndings")
    )
    limit = deployment.client("lambda").get_account_settings()["AccountLimit"]
    free, quota = limit["UnreservedConcurrentExecutions"], limit["ConcurrentExecutions"]
    chunks = loads * parallel
    needed = starting + pages + (0 if reserved else chunks)
    parts = f"{starting} uploads + {pages} report pages"
    how = f" ({parts})" if reserved else f" ({loads} loads x {parallel} chunks + {parts})"
    if needed > free:
        return failed(
            f"the stack needs {needed}{how}, and the account has {free} of {quota} unreserved",
            f"lower MapConcurrency or LoadsAtATime, or: aws service-quotas "
            f"request-service-quota-increase --service-code lambda --quota-code {_QUOTA_CODE} "
            f"--desired-value {max(1000, quota + needed)}; see {QUOTAS}",
        )
    if reserved and reserved < chunks:
        return warning(
            f"{loads} loads may write {chunks} chunks at a time, and WriteChunkConcurrency is "
            f"{reserved}: the others are throttled and retried",
            f"sam deploy --parameter-overrides WriteChunkConcurrency={chunks}; see {QUOTAS}",
        )
    return ok(f"the stack needs {needed}{how} of {free} unreserved")


def throughput(deployment: Deployment) -> Verdict:
    """How many rows per second the table takes at once, compared with MaxRowsPerSecond."""
    if deployment.is_local:
        return unknown("the engine's tables have no throughput")
    stack = deployment.stack
    table = deployment.client("dynamodb").describe_table(TableName=stack.table)["Table"]
    mode = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    if mode == "PAY_PER_REQUEST":
        kind = "on demand, warm for"
        units = table.get("WarmThroughput", {}).get("WriteUnitsPerSecond")
        maximum = table.get("OnDemandThroughput", {}).get("MaxWriteRequestUnits", -1)
        if maximum >= 0:
            kind, units = "on demand, limited to", maximum
    else:
        kind, units = "provisioned with", table["ProvisionedThroughput"]["WriteCapacityUnits"]
    if units is None:
        return unknown(f"DynamoDB doesn't say for how many writes {stack.table} is warm")
    # A row that is in an index costs another write.
    writes = 1 + len(table.get("GlobalSecondaryIndexes", []))
    rows = units // writes
    detail = f"{kind} {units:,} write units per second: at least {rows:,} rows of up to 1 KB"
    wanted = int(deployment.template.parameter("MaxRowsPerSecond"))
    if wanted > rows:
        return warning(
            f"{detail}; MaxRowsPerSecond is {wanted:,}", "docs/operations.md#plan-the-capacity"
        )
    return ok(detail)
