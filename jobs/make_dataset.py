"""Write a dataset in the shape of the TalkingData competition: seven CSVs, same seed, same bytes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "lib"))

from sparksweep.data.synthetic import LARGEST_SCALE, SMALLEST_SCALE, WrittenTable, write_dataset
from sparksweep.errors import SparksweepError


def main() -> int:
    """Write the dataset that the command line asks for, and return the exit code."""
    scale = f"{SMALLEST_SCALE:g} to {LARGEST_SCALE:g}; 1, the default, is the competition's size, 1.3 GB"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help=scale)
    parser.add_argument("--seed", type=int, default=0, help="a whole number from 0 (default: 0)")
    parser.add_argument("--output", type=Path, required=True, help="a folder without such tables")
    parser.add_argument("--zip", action=argparse.BooleanOptionalAction, help="write .csv.zip (default: .csv)")
    to = parser.parse_args()
    try:
        write_dataset(to.output, scale=to.scale, seed=to.seed, zipped=bool(to.zip), progress=_report)
    except SparksweepError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def _report(table: WrittenTable) -> None:
    print(f"{table.path.name}: {table.rows:,} rows, {table.bytes:,} bytes, {table.seconds:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
