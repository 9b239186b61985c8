"""What the local stack needs besides the installed command: a checkout and the extra `local`."""

from importlib.util import find_spec

from tickets import TEMPLATE
from tickets.errors import CommandError

_MODULES = (
    "ministack",
    "samtranslator",
    "aws_lambda_powertools",
    "jinja2",
    "pycurl",
    "tzdata",
    "xxhash",
)


def check_prerequisites() -> None:
    """Raises CommandError if the checkout or a module of the extra `local` is missing."""
    if not TEMPLATE.is_file():
        raise CommandError(
            "The local stack is deployed from template.yaml, which is not here: run the command in "
            "a checkout of the project."
        )
    missing = [module for module in _MODULES if find_spec(module) is None]
    if missing:
        raise CommandError(
            f"The local stack needs modules that are not installed ({', '.join(missing)}): run "
            "`pip install '.[local]'` in the checkout."
        )
