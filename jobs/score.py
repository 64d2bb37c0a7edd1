"""Apply the model of a run to new devices: a probability a class for each."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "lib"))

from sparksweep.pipeline import run_score

if __name__ == "__main__":
    sys.exit(run_score(__doc__, ROOT / "conf" / "score.yml"))
