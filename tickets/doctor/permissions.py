"""Asks IAM's policy simulator whether the roles may do what the template gives them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tickets.doctor.deployment import Deployment
from tickets.doctor.findings import UNDO, Verdict, verdict
from tickets.doctor.template import as_list

_PARALLEL_CALLS = 8
_MAX_NAMED = 3


@dataclass(frozen=True)
class Permission:
    """Actions that a role needs on one resource. `services` are those through which it uses a KMS
    key."""

    role: str
    actions: tuple[str, ...]
    resource: str
    services: tuple[str, ...] = ()


def permissions(deployment: Deployment) -> Verdict:
    """Whether each role's policies, its permissions boundary and the organization's policies allow
    every action on every resource that the template names."""
    needed = list(needed_permissions(deployment))
    iam = deployment.client("iam")
    account = f"arn:{deployment.template.partition}:iam::{deployment.template.account}:role/"
    with ThreadPoolExecutor(_PARALLEL_CALLS) as pool:
        denied = [
            one
            for found in pool.map(lambda one: list(_denied(iam, account, one)), needed)
            for one in found
        ]
    more = f", and {len(denied) - _MAX_NAMED} more" if len(denied) > _MAX_NAMED else ""
    problems = ["; ".join(denied[:_MAX_NAMED]) + more] if denied else []
    count = sum(len(one.actions) for one in needed)
    roles = len({one.role for one in needed})
    return verdict(problems, f"{roles} roles have all {count} permissions that they need", UNDO)


def needed_permissions(deployment: Deployment) -> Iterator[Permission]:
    """Every statement of the template, with one resource at a time: for several, the simulator's
    decision is the most restrictive one. A trailing `*` is replaced by a name, and a `*` for the
    partition by the stack's partition."""
    for role, statement in deployment.template.statements():
        condition = statement.get("Condition", {}).get("StringEquals", {})
        for resource in as_list(statement["Resource"]):
            named = f"{resource[:-1]}doctor" if resource[-2:] in ("/*", ":*") else resource
            named = named.replace("arn:*:", f"arn:{deployment.template.partition}:", 1)
            services = tuple(as_list(condition.get("kms:ViaService", [])))
            yield Permission(role, tuple(as_list(statement["Action"])), named, services)


def _denied(iam: Any, account: str, needed: Permission) -> Iterator[str]:
    """Describes each action that the role is denied."""
    context = [
        {
            "ContextKeyName": "kms:ViaService",
            "ContextKeyValues": [service],
            "ContextKeyType": "string",
        }
        for service in needed.services[:1]
    ]
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=f"{account}{needed.role}",
        ActionNames=list(needed.actions),
        ResourceArns=[needed.resource],
        **({"ContextEntries": context} if context else {}),
    )
    for page in pages:
        for result in page["EvaluationResults"]:
            if result["EvalDecision"] != "allowed":
                yield (
                    f"{needed.role} is denied {result['EvalActionName']} on {needed.resource}"
                    f"{_cause(result)}"
                )


def _cause(result: dict[str, Any]) -> str:
    if not result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True):
        return " by a policy of the organization"
    if not result.get("PermissionsBoundaryDecisionDetail", {}).get(
        "AllowedByPermissionsBoundary", True
    ):
        return " by its permissions boundary"
    return ""
