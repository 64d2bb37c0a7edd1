"""All eight feature sets against pandas, from the same CSVs to the same matrices: ``make bench-features``.

Each contender runs in a process of its own. Seconds are those from the CSVs to the matrices in the driver;
starting Python and Spark does not count. Memory is the peak of the whole process tree, a JVM with a heap of
3 GB included.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "lib"), str(ROOT)]

from sparksweep.data.synthetic import write_dataset
from tests.bench.measure import measure, print_table

CONTENDERS = ("pandas", "sparksweep")
CORES = 2
HEAP = "3g"


def by_pandas(folder: Path):
    """Return the function that computes (X_train, X_test, names)."""
    from tests.bench.pandas_features import pandas_features

    return lambda: pandas_features(folder)


def by_sparksweep(folder: Path):
    """Start Spark and return the function that computes (X_train, X_test, names)."""
    from sparksweep.data import read_devices, read_tables
    from sparksweep.features import FAMILIES, build_features, to_matrix
    from sparksweep.session import create_session
    from sparksweep.storage import LocalStore

    conf = {"spark.ui.enabled": "false", "spark.driver.memory": HEAP}
    spark = create_session("bench", master=f"local[{CORES}]", conf=conf)

    def compute():
        tables = read_tables(spark, LocalStore(folder), cache=str(folder / "cache"))
        matrix = to_matrix(build_features(tables, dict.fromkeys(FAMILIES, "fraction")), read_devices(tables))
        return matrix.X_train, matrix.X_test, matrix.feature_names

    return compute


def contend(contender: str, folder: Path) -> None:
    """Run one contender and print its seconds, and what its matrices are, as JSON."""
    compute = {"pandas": by_pandas, "sparksweep": by_sparksweep}[contender](folder)
    start = time.perf_counter()
    X_train, X_test, names = compute()
    seconds = time.perf_counter() - start
    digest = hashlib.sha256("\n".join(names).encode())
    for X in (X_train, X_test):
        for part in (X.indptr, X.indices, X.data):
            digest.update(part.tobytes())
    shape = f"{X_train.shape[0]:,} + {X_test.shape[0]:,} devices x {len(names):,} features"
    told = f"{shape}, {X_train.nnz + X_test.nnz:,} values"
    print(json.dumps({"seconds": seconds, "told": told, "digest": digest.hexdigest()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--scale", type=float, default=0.1, help="size of the dataset; 1 is the competition's"
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of each contender, taken in turn")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = ROOT / ".cache" / "bench" / f"scale-{options.scale:g}"
    if options.contender:
        contend(options.contender, folder)
        return
    if not (folder / "events.csv").exists():
        print(f"Writing a dataset of scale {options.scale:g} to {folder}")
        write_dataset(folder, scale=options.scale, seed=0)
    runs, told = {contender: [] for contender in CONTENDERS}, {}
    for _ in range(options.runs):
        for contender in CONTENDERS:
            run = measure(
                [sys.executable, __file__, "--contender", contender, "--scale", f"{options.scale:g}"]
            )
            told[contender] = json.loads(run.output.splitlines()[-1])
            runs[contender].append((told[contender]["seconds"], run.peak_mib))
    print(f"\nscale {options.scale:g}: {told['pandas']['told']}; {CORES} cores, a heap of {HEAP}")
    print_table(runs, CONTENDERS[0])
    digests = {result["digest"] for result in told.values()}
    print(f"matrices equal to the last bit: {len(digests) == 1}")


if __name__ == "__main__":
    main()
