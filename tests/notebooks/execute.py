"""Execute one notebook as a person does, top to bottom, with other values behind its cell of parameters.

Run with the Python of the notebooks' own environment, in the folder that it may write to:

    .venv-notebooks/bin/python tests/notebooks/execute.py NOTEBOOK '{"STACK": "webui-async"}'

Leaves the notebook with its outputs and a page of it in that folder, also when a cell failed: then the exit
status is 1.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

CELL_TIMEOUT_S = 600
TAG = "parameters"


def main(path: Path, parameters: Mapping[str, Any]) -> int:
    """0 when every cell ran."""
    notebook = with_parameters(nbformat.read(path, as_version=4), parameters)
    try:
        NotebookClient(notebook, timeout=CELL_TIMEOUT_S, kernel_name="python3").execute()
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        nbformat.write(notebook, path.name)
        page, _ = HTMLExporter().from_notebook_node(notebook)
        Path(path.name).with_suffix(".html").write_text(page)
    return 0


def with_parameters(notebook: Any, parameters: Mapping[str, Any]) -> Any:
    """The notebook with a cell behind its parameters that sets these instead.

    Raises ValueError for a name that the notebook's own cell does not set.
    """
    (place,) = (i for i, cell in enumerate(notebook.cells) if TAG in cell.metadata.get("tags", ()))
    known: dict[str, Any] = {}
    exec(notebook.cells[place].source, known)
    if unknown := sorted(set(parameters) - set(known)):
        raise ValueError(f"the notebook has no parameter {unknown[0]}")
    source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(source))
    return notebook


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
