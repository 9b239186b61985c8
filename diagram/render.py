"""Draws both pictures from their sources (`make diagram`).

    architecture.png    from architecture.py
    statemachine.svg    from statemachine/ingest.asl.json; a copy is part of the report page

The committed pictures were drawn by Graphviz 2.42.2 (Debian 12) with Liberation Sans. Other
versions or fonts give slightly different pictures.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
REPORT_PAGE = HERE.parent / "functions" / "ingestion" / "report_page"


def main() -> int:
    """Returns the exit code: 0, or 2 if something is not installed."""
    if shutil.which("dot") is None:
        print(
            "Graphviz is missing: install it, on Debian by `apt-get install graphviz`.",
            file=sys.stderr,
        )
        return 2
    if importlib.util.find_spec("diagrams") is None:
        print(
            "The Python package diagrams is missing: install it by"
            " `.venv/bin/python -m pip install diagrams==0.25.1`.",
            file=sys.stderr,
        )
        return 2

    # Imported here, because architecture.py imports diagrams.
    from diagram import architecture, statemachine
    from tools.definition import load

    architecture.draw(HERE / "architecture.png")
    statemachine.draw(load(), HERE / "statemachine.svg")
    shutil.copyfile(HERE / "statemachine.svg", REPORT_PAGE / "statemachine.svg")
    print("Drawn: diagram/architecture.png and diagram/statemachine.svg")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
