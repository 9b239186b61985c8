"""Adds executions that have ended to moto's Step Functions, which runs none itself."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from moto.stepfunctions.models import stepfunctions_backends

from tests.support.cloud import ACCOUNT, Cloud
from tests.support.state_machine import Execution
from tests.support.step_functions import STARTED, Visits, timed, turn_visits, untimed_history


def add_run(cloud: Cloud, execution: Execution) -> None:
    """Adds an execution that was interpreted."""
    visits = [(visit.kind, visit.state, visit.output) for visit in execution.visits]
    _add(
        cloud,
        execution.name,
        execution.status,
        execution.given,
        visits,
        **{name: getattr(execution, name) or None for name in ("error", "cause")},
    )


def add_ended(
    cloud: Cloud, name: str, status: str, input: Mapping[str, Any], **failure: str
) -> None:
    """Adds an execution that ended before it began to write."""
    _add(cloud, name, status, input, turn_visits(), **failure)


def _add(
    cloud: Cloud,
    name: str,
    status: str,
    given: Mapping[str, Any],
    visits: Visits,
    error: str | None = None,
    cause: str | None = None,
) -> None:
    cloud.step_functions.start_execution(
        stateMachineArn=cloud.state_machine_arn, name=name, input=json.dumps(given)
    )
    [machine] = stepfunctions_backends[ACCOUNT]["us-east-1"].state_machines
    [added] = [one for one in machine.executions if one.name == name]
    events = timed(untimed_history(visits, status))
    changes = {
        "status": status,
        "start_date": STARTED,
        "stop_date": STARTED + timedelta(seconds=len(events)),
        "error": error,
        "cause": cause,
        "get_execution_history": lambda role: events,
    }
    vars(added).update(changes)
