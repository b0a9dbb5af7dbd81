"""Tests of `make replay` that need no stack."""

import sys
from pathlib import Path

LOCAL = Path(__file__).resolve().parents[2] / "local"
sys.path[:0] = [str(LOCAL / "replay"), str(LOCAL)]
