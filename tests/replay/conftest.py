"""Tests of `make replay` that need no stack."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "local" / "replay"))
