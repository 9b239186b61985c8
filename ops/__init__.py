"""The operator's side: the local stack on the embedded engine and the `tickets` command.

OpsError                     one sentence that says what to do; the command prints it as it is
|-- DefinitionError          ops.definition: the state machine's file cannot be read
|-- PackagingError           ops.packaging: the template names files that are not there
|-- EngineError              ops.engine: the embedded engine did not start
|-- DeploymentError          ops.local: the engine refused the template
`-- StackError               ops.stack: no usable stack
    |-- StackNotFound        there is none of that name, so deploy it or name another
    `-- StackNotUsable       it is there, and not in a state or of a version to work with
"""

from pathlib import Path

# The project runs from its clone (an editable install), so the deployable files are beside `ops`.
ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template.yaml"


class OpsError(Exception):
    """Whatever an operator can act on. Its text is for people and starts with one sentence."""
