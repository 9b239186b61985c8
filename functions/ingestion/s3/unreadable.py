"""Explains why S3 doesn't return an object: causes that last until somebody removes them."""

from typing import TYPE_CHECKING, Any, NoReturn

from botocore.exceptions import ClientError

from ingestion.errors import ObjectUnreadable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_MESSAGE_CHARACTERS = 500
# KMS errors that last, as S3 passes them on. KMS.KeyUnavailableException, KMSInternalException and
# throttling are missing, because they pass.
_LASTING_KMS_ERRORS = frozenset(
    {
        "KMS.AccessDeniedException",
        "KMS.DisabledException",
        "KMS.KMSInvalidStateException",
        "KMS.NotFoundException",
    }
)


def raise_reason_of_head(
    client: "S3Client", bucket: str, key: str, version_id: str | None, error: ClientError
) -> NoReturn:
    """Raises the error that says why HeadObject failed with status 400 or 403.

    The response to HeadObject has no body, so its error code is only the status. GetObject fails
    for the same cause and returns S3's code. Raises ObjectUnreadable, GetObject's error if it has
    another cause, or `error` if GetObject succeeds.
    """
    arguments: dict[str, Any] = {"VersionId": version_id} if version_id else {}
    try:
        # Not a range, because S3 returns 416 for every range of an empty object.
        answer = client.get_object(Bucket=bucket, Key=key, **arguments)
    except ClientError as of_get:
        cause = unreadable(of_get, bucket, key)
        if cause is None:
            raise
        raise cause from of_get
    answer["Body"].close()  # unread
    raise error


def unreadable(error: ClientError, bucket: str, key: str) -> ObjectUnreadable | None:
    """Returns the error to report in place of GetObject's, or None if another try may succeed or
    the object isn't the cause."""
    explained = _explain(error.response["Error"], f"s3://{bucket}/{key}")
    return ObjectUnreadable(*explained) if explained else None


def _explain(error: Any, url: str) -> tuple[str, str, str] | None:
    """The code of a refusal, its cause and its remedy, or None."""
    code, message = error["Code"], str(error.get("Message", ""))
    if code == "InvalidArgument" and "version id" in message.lower():
        return (
            "bad_version_id",
            f"The requested version id can't be one of S3's: {url}.",
            "Start the load with a version id that S3 lists, or without one to load the newest"
            " version.",
        )
    if code == "InvalidObjectState":
        return (
            "archived",
            f"The object is archived: {url}.",
            "Restore it, wait until the restore is complete, and replay the load.",
        )
    if code == "InvalidRequest" and "server side encryption" in message.lower():
        return (
            "customer_encryption_key",
            f"The object is encrypted with a key that only its uploader has (SSE-C): {url}.",
            "Upload it again without SSE-C.",
        )
    said = f'S3\'s message: "{message[:MAX_MESSAGE_CHARACTERS]}".'
    if code in _LASTING_KMS_ERRORS or (code == "AccessDenied" and "kms:" in message):
        return (
            "kms_key_unusable",
            f"The KMS key of the object can't be used to decrypt it: {url}. {said}",
            "Enable the key, or allow the stack's roles to use it (kms:Decrypt, ReadableKeyArns),"
            " and replay the load.",
        )
    if code in ("AccessDenied", "AllAccessDisabled"):
        return (
            "access_denied",
            f"S3 denies access to the object: {url}. {said}",
            "The stack's roles may read files only in its upload bucket and in ReadableBuckets, and"
            " a bucket policy or a KMS key may deny access as well. Upload the file to the upload"
            " bucket, or allow access and"
            " replay the load.",
        )
    return None
