"""The published sweep on one machine: all eight feature sets, 20 fits."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "lib"))

from sparksweep.pipeline import run_job

if __name__ == "__main__":
    sys.exit(run_job(__doc__, ROOT / "conf" / "single_vm.yml"))
