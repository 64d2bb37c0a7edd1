"""Run a sweep in the YAML of Azure ML v2: child runs of a script or an estimator, samplers, policies."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "lib"))

from sparksweep.pipeline import run_hyperdrive

if __name__ == "__main__":
    sys.exit(run_hyperdrive(__doc__, ROOT / "conf" / "hyperdrive.yml"))
