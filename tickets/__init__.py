"""The operator's side: the local stack on the embedded engine and the `tickets` command.

TicketsError                     one sentence that says what to do; the command prints it as it is
|-- DefinitionError          tools.definition: the state machine's file cannot be read
|-- PackagingError           tickets.local.packaging: the template names files that are not there
|-- EngineError              tickets.local.engine: the embedded engine did not start
|-- DeploymentError          tickets.local.deployment: the engine refused the template
`-- StackError               tickets.runs.stack: no usable stack
    |-- StackNotFound        there is none of that name, so deploy it or name another
    `-- StackNotUsable       it is there, and not in a state or of a version to work with
"""

from pathlib import Path

# `tickets local` and `tickets demo` run from a checkout (an editable install): the deployable files
# are beside this package.
ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template.yaml"


class TicketsError(Exception):
    """Whatever an operator can act on. Its text is for people and starts with one sentence."""
