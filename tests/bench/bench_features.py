"""All eight feature sets against DuckDB and pandas, from the same files to the same matrices.

``make bench-features`` runs each contender in a process of its own. Seconds are those from the files to the
matrices in the driver; starting Python and Spark does not count, though a Java that has just started has yet to
compile what it runs. Memory is the peak of the whole process tree, a JVM with a heap of 3 GB included.

``from CSV`` starts from the seven CSVs and an empty cache, ``from zips`` from the same as ``.csv.zip``, which the
peers do not read. ``from Parquet`` starts from what each reads sooner:
DuckDB from all seven tables as it writes them itself, sparksweep from its cache, which holds the two large ones.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "lib"), str(ROOT)]

from tests.bench.measure import FailedRunError, measure, print_table

CONTENDERS = {
    "DuckDB from CSV": "duckdb",
    "sparksweep from CSV": "sparksweep",
    "pandas from CSV": "pandas",
    "sparksweep from zips": "sparksweep",
    "DuckDB from Parquet": "duckdb",
    "sparksweep from Parquet": "sparksweep",
}
CORES = 2
HEAP = "3g"


def by_pandas(folder: Path):
    """Return the function that computes (X_train, X_test, names)."""
    from tests.bench.pandas_features import pandas_features

    return lambda: pandas_features(folder)


def by_duckdb(folder: Path):
    """Return the function that computes (X_train, X_test, names)."""
    from tests.bench.duckdb_features import duckdb_features

    return lambda: duckdb_features(folder)


def by_sparksweep(folder: Path):
    """Start Spark and return the function that computes (X_train, X_test, names)."""
    from sparksweep.data import read_devices, read_tables
    from sparksweep.features import FAMILIES, build_features, to_matrix
    from sparksweep.session import create_session
    from sparksweep.storage import LocalStore

    conf = {"spark.ui.enabled": "false", "spark.driver.memory": HEAP}
    spark = create_session("bench", master=f"local[{CORES}]", conf=conf)

    def compute():
        tables = read_tables(spark, LocalStore(folder), cache=str(_cache(folder)), progress=False)
        devices = read_devices(tables)
        features = build_features(tables, dict.fromkeys(FAMILIES, "fraction"), devices.ids)
        matrix = to_matrix(features, devices)
        return matrix.X_train, matrix.X_test, matrix.feature_names

    return compute


def contend(contender: str, folder: Path) -> None:
    """Run one contender and print its seconds, and what its matrices are, as JSON."""
    how = {"pandas": by_pandas, "duckdb": by_duckdb, "sparksweep": by_sparksweep}[CONTENDERS[contender]]
    compute = how(_source(contender, folder))
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


def _source(contender: str, folder: Path) -> Path:
    """Return the folder whose files a contender starts from."""
    if contender == "sparksweep from zips":
        return _zips(folder)
    return _parquet(folder) if contender == "DuckDB from Parquet" else folder


def _cache(folder: Path) -> Path:
    return folder / "cache"


def _parquet(folder: Path) -> Path:
    return folder / "parquet"


def _zips(folder: Path) -> Path:
    return folder / "zips"


def _write_zips(folder: Path) -> None:
    for table in folder.glob("*.csv"):
        with zipfile.ZipFile(_zips(folder) / f"{table.name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(table, table.name)


def prepare(folder: Path, scale: float) -> None:
    """Write the files that are not there yet."""
    import duckdb

    from sparksweep.data.synthetic import write_dataset

    if not (folder / "events.csv").exists():
        print(f"Writing a dataset of scale {scale:g} to {folder}", flush=True)
        write_dataset(folder, scale=scale, seed=0)
    if not _parquet(folder).exists():
        growing = folder / "parquet.tmp"
        shutil.rmtree(growing, ignore_errors=True)
        growing.mkdir()
        for table in folder.glob("*.csv"):
            duckdb.execute(f"COPY (FROM '{table}') TO '{growing / table.stem}.parquet'")
        growing.rename(_parquet(folder))
    if not _zips(folder).exists():
        _zips(folder).mkdir()
        _write_zips(folder)


def compare(folder: Path, scale: float, contenders: list[str], n_runs: int) -> None:
    """Run the contenders in turn and print their medians."""
    runs, told = {contender: [] for contender in contenders}, {}
    for _ in range(n_runs):
        for contender in contenders:
            if contender in ("sparksweep from CSV", "sparksweep from zips"):
                shutil.rmtree(_cache(_source(contender, folder)), ignore_errors=True)
            command = [sys.executable, __file__, "--contender", contender, "--scale", f"{scale:g}"]
            try:
                run = measure(command)
            except FailedRunError as error:
                print(f"{contender} failed: {error.errors.strip().splitlines()[-1]}", flush=True)
                continue
            told[contender] = json.loads(run.output.splitlines()[-1])
            runs[contender].append((told[contender]["seconds"], run.peak_mib))
    runs = {contender: measured for contender, measured in runs.items() if measured}
    first = next(iter(runs))
    print(f"\nscale {scale:g}: {told[first]['told']}; {CORES} cores, a heap of {HEAP}")
    print_table(runs, first)
    digests = {result["digest"] for result in told.values()}
    if len(told) > 1:
        print(f"matrices equal to the last bit: {len(digests) == 1}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--scale",
        type=float,
        nargs="+",
        default=[0.1, 1],
        help="sizes of the dataset; 1 is the competition's",
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of each contender, taken in turn")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="contenders")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for scale in options.scale:
        folder = ROOT / ".cache" / "bench" / f"scale-{scale:g}"
        if options.contender:
            contend(options.contender, folder)
        else:
            prepare(folder, scale)
            compare(folder, scale, options.only, options.runs)


if __name__ == "__main__":
    main()
