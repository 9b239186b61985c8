"""Report pages of executions that were run on moto."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from ingestion.ledger.actions import Actions
from ingestion.ledger.attempts import Attempts
from ingestion.ledger.chunks import Chunks
from ingestion.ledger.loads import Loads
from ingestion.tasks.write_report_page import Pages
from tests.support.cloud import Cloud
from tests.support.state_machine import Execution
from tests.support.step_functions import EXECUTION, StepFunctions


def pages_on(cloud: Cloud, step_functions: StepFunctions) -> Pages:
    dynamodb: Any = cloud.dynamodb
    ledger = cloud.ledger_table
    return Pages(
        step_functions.client,
        cloud.s3,
        Loads(dynamodb, ledger),
        Chunks(dynamodb, ledger),
        Attempts(dynamodb, ledger),
        Actions(dynamodb, ledger),
        work_bucket=cloud.work,
        stack={"Stack": "tickets"},
    )


def remember(step_functions: StepFunctions, execution: Execution) -> str:
    """Adds an execution that has just ended, and returns its ARN."""
    now = datetime.now(UTC)
    described: dict[str, Any] = {
        "startDate": now - timedelta(hours=1),
        "stopDate": now,
        "input": json.dumps(execution.given),
    }
    if execution.error:
        described |= {"error": execution.error, "cause": execution.cause}
    visits = [(visit.kind, visit.state, visit.output) for visit in execution.visits]
    step_functions.add(execution.name, execution.status, visits, **described)
    return f"{EXECUTION}:{execution.name}"


def write_page(cloud: Cloud, execution: Execution) -> str:
    """Writes the page of an execution that has ended, and returns its S3 address."""
    step_functions = StepFunctions()
    return pages_on(cloud, step_functions).write(remember(step_functions, execution))
