"""Handlers on moto: S3, DynamoDB and Step Functions in process, holding the objects of events/."""

import json

import boto3
import pytest
from moto import mock_aws

from tests.support.cloud import ENVIRONMENT, EVENTS, NOW, Cloud, forget_clients
from tests.support.moto_tables import dynamodb_server


@pytest.fixture(scope="session")
def dynamodb_url():
    with dynamodb_server() as url:
        yield url


@pytest.fixture(scope="session")
def session():
    """One for all tests, because it reads the services' models, which takes a second. Made
    within moto, or its clients would talk to AWS."""
    with mock_aws():
        return boto3.Session("testing", "testing", region_name="us-east-1")


@pytest.fixture
def cloud(monkeypatch, session, dynamodb_url):
    """An empty stack."""
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_url}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for module in ("loads", "chunks"):
        monkeypatch.setattr(f"ingestion.ledger.{module}.now", lambda: NOW)
    monkeypatch.setattr("ingestion.tasks.split_file.secrets.token_hex", lambda size: "00" * size)
    with mock_aws():
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
        forget_clients()
        cloud = Cloud()
        monkeypatch.setenv("STATE_MACHINE_ARN", cloud.state_machine_arn)
        yield cloud
    forget_clients()


@pytest.fixture
def stocked(cloud):
    """A stack with the objects that the events are about."""
    for one in json.loads((EVENTS / "objects" / "objects.json").read_text()):
        cloud.put(
            (EVENTS / "objects" / one["file"]).read_bytes(),
            one["key"],
            one["bucket"],
            one["version_id"],
        )
    return cloud


@pytest.fixture
def fresh_clients():
    """For a test that changes what the handlers' clients are made from."""
    return forget_clients
