"""Sweep the large grid over all eight feature sets, on any Spark master."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "lib"))

from sparksweep.pipeline import run_job

if __name__ == "__main__":
    sys.exit(run_job(__doc__, ROOT / "conf" / "distributed_sweep.yml"))
