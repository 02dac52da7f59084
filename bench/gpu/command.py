"""The command `nnplug` of this Python, also where its script is elsewhere."""

from __future__ import annotations

import sys

NNPLUG = (sys.executable, "-c", "from nnplug_cli.main import main; main()")
