"""People's actions on a load are kept in order. On moto's DynamoDB."""

from typing import Any

import pytest

from ingestion.ledger.actions import Actions


def test_each_action_is_kept(monkeypatch: pytest.MonkeyPatch, dynamodb: Any) -> None:
    times = iter(f"2026-11-24T{hour:02d}:00:00.000Z" for hour in range(9, 12))
    monkeypatch.setattr("ingestion.ledger.actions.now", lambda: next(times))
    actions = Actions(dynamodb, "Ledger")
    actions.record("load", "stop", "arn:aws:iam::1:user/ada", None, execution="load-r1")
    actions.record("load", "dismiss", "arn:aws:iam::1:user/bob", "wrong file")
    actions.record("another", "stop", None, None)
    first, second = actions.all("load")
    assert (first["at"], first["action"], first["by"], first["reason"], first["execution"]) == (
        "2026-11-24T09:00:00.000Z",
        "stop",
        "arn:aws:iam::1:user/ada",
        None,
        "load-r1",
    )
    assert (second["action"], second["reason"]) == ("dismiss", "wrong file")
