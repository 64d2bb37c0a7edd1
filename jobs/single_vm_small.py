"""The published small sweep: the first four feature sets, 20 fits, on a small machine."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "lib"))

from sparksweep.pipeline import run_job

if __name__ == "__main__":
    sys.exit(run_job(__doc__, ROOT / "conf" / "single_vm_small.yml"))
