"""What boto3 raises, in a sentence that names the command or the setting that cures it."""

import botocore.exceptions as aws
from botocore.exceptions import ClientError

_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
_UNKNOWN_KEY = ("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId")
_WRONG_SECRET = ("SignatureDoesNotMatch", "InvalidSignatureException")
_WRONG_CLOCK = ("RequestTimeTooSkewed",)
_REFUSED = ("AccessDenied", "403", "UnauthorizedOperation", "AuthorizationError")

NO_REGION = "No AWS region is set: pass --region REGION, or run `export AWS_DEFAULT_REGION=REGION`."


def cure(error: Exception, profile: str | None = None) -> str | None:
    """The sentence for an error about credentials, permissions or the region; None for others.

    profile: the one that the command was given, if it was given one.
    """
    option = f" --profile {profile}" if profile else ""
    match error:
        case ClientError():
            return _refused_call(error, option)
        case aws.ProfileNotFound():
            name = error.kwargs["profile"]
            return (
                f"There is no AWS profile {name}: `aws configure list-profiles` lists those that "
                f"exist; pass one with --profile, or make it with `aws configure --profile {name}`."
            )
        case aws.NoCredentialsError() | aws.PartialCredentialsError():
            return (
                "There are no complete AWS credentials: run "
                f"`aws configure{option}` or `aws sso login{option}`."
            )
        case aws.SSOError() | aws.TokenRetrievalError():
            return f"Your AWS SSO session is missing or has expired: run `aws sso login{option}`."
        case aws.LoginError():
            return f"Your AWS session is missing or has expired: run `aws login{option}`."
        case aws.CredentialRetrievalError():
            return (
                f"The AWS credentials can't be obtained: {_ended(str(error))} Correct the profile "
                f"with `aws configure{option}`."
            )
        case aws.NoRegionError():
            return NO_REGION
        case aws.InvalidRegionError():
            name = error.kwargs["region_name"]
            return f"{name} is not an AWS region: pass one like eu-central-1 with --region."
        case aws.ConfigParseError():
            return f"{_ended(str(error))} Correct the file."
        case _:
            return None


def is_about_credentials(error: Exception) -> bool:
    """Whether the call may succeed with credentials that are read again."""
    match error:
        case ClientError():
            return error.response.get("Error", {}).get("Code", "") in (*_EXPIRED, *_UNKNOWN_KEY)
        case _:
            return isinstance(
                error,
                aws.NoCredentialsError
                | aws.PartialCredentialsError
                | aws.CredentialRetrievalError
                | aws.SSOError
                | aws.TokenRetrievalError
                | aws.LoginError,
            )


def _refused_call(error: ClientError, option: str) -> str | None:
    code = error.response.get("Error", {}).get("Code", "")
    message = error.response.get("Error", {}).get("Message", "")
    call = error.operation_name
    if code in _EXPIRED:
        return (
            f"Your AWS session has expired: sign in again, with `aws sso login{option}` or where "
            "the credentials came from."
        )
    if code in _UNKNOWN_KEY:
        return (
            "AWS does not know your access key: check AWS_PROFILE and AWS_ACCESS_KEY_ID, or run "
            f"`aws configure{option}`."
        )
    if code in _WRONG_SECRET:
        return f"Your secret access key is wrong: run `aws configure{option}`."
    if code in _WRONG_CLOCK:
        return "The clock of this machine is wrong, so AWS refuses its requests: set it."
    if any(code.startswith(refused) for refused in _REFUSED):
        return (
            f"Your credentials don't allow {call}: ask for that permission; `aws sts "
            f"get-caller-identity{option}` shows whose they are. AWS says: {_ended(message)}"
        )
    return None


def _ended(text: str) -> str:
    """The text with a full stop, in one line."""
    return f"{' '.join(text.split()).rstrip('.')}."
