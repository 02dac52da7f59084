"""The checkout on the import path, as `python -m tests.torture.NAME` has it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
