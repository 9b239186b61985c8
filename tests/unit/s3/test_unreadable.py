"""Which errors of S3 refuse an object, and which ones are raised, so that they are retried."""

import io
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from ingestion.errors import ObjectGone, ObjectUnreadable
from ingestion.s3.objects import pin
from ingestion.s3.unreadable import unreadable

KMS_DENIED = (
    "User: arn:aws:sts::111122223333:assumed-role/validate/f is not authorized to perform:"
    " kms:Decrypt on the resource associated with this ciphertext because the resource does not"
    " exist in this Region, no resource-based policies allow access, or a resource-based policy"
    " explicitly denies access"
)
LASTING = [
    (400, "InvalidArgument", "Invalid version id specified", "bad_version_id"),
    (
        403,
        "InvalidObjectState",
        "The operation is not valid for the object's storage class",
        "archived",
    ),
    (
        400,
        "InvalidRequest",
        "The object was stored using a form of Server Side Encryption. The correct parameters must"
        " be provided to retrieve the object.",
        "customer_encryption_key",
    ),
    (403, "AccessDenied", "Access Denied", "access_denied"),
    (403, "AllAccessDisabled", "All access to this object has been disabled", "access_denied"),
    (403, "AccessDenied", KMS_DENIED, "kms_key_unusable"),
    (400, "KMS.DisabledException", "key/1 is disabled.", "kms_key_unusable"),
    (400, "KMS.KMSInvalidStateException", "key/1 is pending deletion.", "kms_key_unusable"),
    (400, "KMS.NotFoundException", "key/1 does not exist", "kms_key_unusable"),
]
OTHERS = [
    (400, "ExpiredToken", "The provided token has expired."),
    (400, "ThrottlingException", "Rate exceeded"),
    (400, "KMS.ThrottlingException", "You have exceeded the rate"),
    (400, "KMS.KeyUnavailableException", "The request can be retried."),
    (400, "InvalidArgument", "Requests specifying KMS keys require Signature Version 4."),
    (400, "InvalidRequest", "Missing required header for this request"),
    (400, "RequestTimeout", "Your socket connection was not read from or written to."),
    (403, "RequestTimeTooSkewed", "The difference between the times is too large."),
    (500, "InternalError", "We encountered an internal error. Please try again."),
    (503, "SlowDown", "Please reduce your request rate."),
]


def failure(status: int, code: str, message: str) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},  # type: ignore[typeddict-item] # what is read of it
        },
        "GetObject",
    )


@pytest.fixture
def s3() -> Iterator[Any]:
    client = boto3.client(
        "s3", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    with Stubber(client) as stub:
        yield client, stub
        stub.assert_no_pending_responses()


def fail_head(stub: Any, status: int) -> None:
    """HeadObject has no body: S3's code is unknown."""
    stub.add_client_error("head_object", str(status), "", http_status_code=status)


@pytest.mark.parametrize(("status", "code", "message", "reason"), LASTING)
def test_a_cause_that_lasts_is_explained(status: int, code: str, message: str, reason: str) -> None:
    found = unreadable(failure(status, code, message), "uploads", "a.csv")
    assert found is not None
    assert found.reason == reason
    assert "s3://uploads/a.csv" in found.cause
    assert len(str(found).removeprefix(found.cause).split()) > 4, "says what to do"


@pytest.mark.parametrize(("status", "code", "message"), OTHERS)
def test_any_other_error_is_left_to_retries(status: int, code: str, message: str) -> None:
    assert unreadable(failure(status, code, message), "uploads", "a.csv") is None


def test_the_message_of_a_denial_is_kept_to_500_characters() -> None:
    found = unreadable(failure(403, "AccessDenied", "User: me" + "x" * 2000), "uploads", "a.csv")
    assert f'"User: me{"x" * 492}".' in str(found)


@pytest.mark.parametrize(("status", "code", "message", "reason"), LASTING)
def test_get_object_tells_why_head_object_fails(
    s3: Any, status: int, code: str, message: str, reason: str
) -> None:
    client, stub = s3
    fail_head(stub, status)
    stub.add_client_error(
        "get_object",
        code,
        message,
        status,
        expected_params={"Bucket": "uploads", "Key": "a.csv", "VersionId": "v1"},
    )
    with pytest.raises(ObjectUnreadable, match=r"s3://uploads/a\.csv") as caught:
        pin(client, "uploads", "a.csv", "v1", None)
    assert caught.value.reason == reason


@pytest.mark.parametrize(("status", "code", "message"), OTHERS)
def test_get_objects_error_is_raised_if_it_may_pass(
    s3: Any, status: int, code: str, message: str
) -> None:
    client, stub = s3
    fail_head(stub, 400)
    stub.add_client_error("get_object", code, message, status)
    with pytest.raises(ClientError) as caught:
        pin(client, "uploads", "a.csv", None, None)
    assert caught.value.response["Error"]["Code"] == code


def test_head_objects_error_is_raised_if_get_object_succeeds(s3: Any) -> None:
    client, stub = s3
    raw = io.BytesIO(b"rows")
    fail_head(stub, 403)
    stub.add_response(
        "get_object",
        {"Body": StreamingBody(raw, 4)},
        {"Bucket": "uploads", "Key": "a.csv"},
    )
    with pytest.raises(ClientError) as caught:
        pin(client, "uploads", "a.csv", None, None)
    assert caught.value.response["Error"]["Code"] == "403"
    assert raw.closed


@pytest.mark.parametrize("status", [500, 503])
def test_an_outage_is_raised_without_another_request(s3: Any, status: int) -> None:
    client, stub = s3
    fail_head(stub, status)
    with pytest.raises(ClientError):
        pin(client, "uploads", "a.csv", None, None)


def test_an_object_that_is_gone_needs_no_explanation(s3: Any) -> None:
    client, stub = s3
    fail_head(stub, 404)
    with pytest.raises(ObjectGone):
        pin(client, "uploads", "a.csv", None, None)
