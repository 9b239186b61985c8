"""Who runs the command."""

from tickets.runs.stack import Stack


def caller(stack: Stack) -> str:
    """The ARN of the user or role whose credentials the command uses (STS GetCallerIdentity, which
    needs no permission)."""
    return str(stack.client("sts").get_caller_identity()["Arn"])
