"""`make notebooks` runs these: they need the notebooks' own Python, which `make test` does not install."""

from __future__ import annotations

import os

PYTHON = "NOTEBOOK_PYTHON"

collect_ignore = [] if PYTHON in os.environ else ["test_notebooks.py"]
