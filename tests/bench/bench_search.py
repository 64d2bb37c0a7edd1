"""Our search against six other ways to run it, on the same folds, in one run: ``make bench-search``.

Workloads: ``sparse-16`` and ``sparse-120``, a sparse matrix as wide as the published sample's with its two grids at
fewer rounds; ``dense``, a dense table with short fits, where the overhead of a search shows. Each contender runs in a
process of its own, with two cores and one thread a fit. Seconds are those of the search without the refit;
starting Spark does not count, its memory does. ``boosting`` is not a contender: it is what no exact search can avoid.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "lib"), str(ROOT)]

from tests.bench.environments import ENVIRONMENTS
from tests.bench.figures import Race, Run, print_figures, print_race
from tests.bench.measure import FailedRunError, StoppedRunError, measure
from tests.bench.workload import FOLDS, Outcome, Workload, make_workload, write_workload


@dataclass(frozen=True)
class Contender:
    """The module of tests/bench/contenders, and the environment whose Python runs it."""

    module: str
    environment: str | None = None


CONTENDERS = {
    "sparksweep": Contender("ours"),
    "scikit-learn": Contender("scikit_learn"),
    "joblib-spark": Contender("joblib_spark", "peers"),
    "spark-sklearn-algorithm": Contender("spark_sklearn_algorithm"),
    "mlflow-optuna": Contender("mlflow_optuna", "peers"),
    "spark-ml": Contender("spark_ml"),
    "spark-sklearn-0.3.0": Contender("spark_sklearn_real", "spark-sklearn"),
}
# A failure of these is a failure of the benchmark. They come first, and have no limit.
CORE = ("sparksweep", "scikit-learn")
BOOSTING = Contender("boosting")

# Share of the rows, and what the ratios of the round counts are multiplied with, unless asked for otherwise.
DEFAULTS = {"sparse-16": (0.2, 2), "sparse-120": (0.02, 1), "dense": (1.0, 1)}
RUNS = 3
ENOUGH = 20.0  # seconds after which a contender is not run again by itself
SHORTEST_LIMIT = 50.0
SAMPLE_EVERY = 0.5


def main() -> int:
    options = _options()
    print(
        f"{FOLDS} folds; seconds of the search without refit; peak MiB of the whole process tree and of the Python "
        f"processes other than the driver,\nboth looked up every {SAMPLE_EVERY:g} s, so a shorter peak can be missed"
    )
    races: list[Race] = []
    for name in options.workload or DEFAULTS:
        contenders = options.contender or _default_contenders(name, races)
        races.append(_race(name, contenders, options))
        print_race(races[-1])
    print_figures(races)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workload", choices=DEFAULTS, action="append", help="repeatable (default: all)")
    parser.add_argument(
        "--contender",
        choices=CONTENDERS,
        action="append",
        help="repeatable (default: all, but for sparse-120 sparksweep, scikit-learn and the best other peer of sparse-16)",
    )
    parser.add_argument(
        "--runs",
        type=int,
        help=f"runs of each contender, taken in turn (default: up to {RUNS}, "
        f"while it has taken less than {ENOUGH:g} s)",
    )
    scales = ", ".join(f"{scale:g} for {name}" for name, (scale, _) in DEFAULTS.items() if name != "dense")
    parser.add_argument("--scale", type=float, help=f"share of the sample's 74,645 rows (default: {scales})")
    rounds = ", ".join(f"{rounds} for {name}" for name, (_, rounds) in DEFAULTS.items() if name != "dense")
    parser.add_argument(
        "--rounds",
        type=int,
        help="what the published ratios of round counts, 3 and 4, or 3 to 7, are multiplied with; "
        f"100 is the published count (default: {rounds})",
    )
    parser.add_argument(
        "--limit",
        type=float,
        help="most seconds for a run of a peer, its start included "
        f"(default: twice those of scikit-learn, at least {SHORTEST_LIMIT:g})",
    )
    options = parser.parse_args()
    for name in ("runs", "scale", "rounds", "limit"):
        value = getattr(options, name)
        if value is not None and value <= 0:
            parser.error(f"--{name} must be above 0, not {value:g}")
    return options


def _default_contenders(name: str, races: Sequence[Race]) -> list[str]:
    """Return all, or for the longest workload the peer alone that was best at the same kind of fits."""
    past = [race for race in races if race.workload == "sparse-16"]
    if name != "sparse-120" or not past:
        return list(CONTENDERS)
    best = next((name for name in past[0].peers if name not in CORE), None)
    return [*CORE, best] if best else [*CORE]


def _race(name: str, contenders: Sequence[str], options: argparse.Namespace) -> Race:
    default_scale, default_rounds = DEFAULTS[name]
    scale, rounds = options.scale or default_scale, options.rounds or default_rounds
    with tempfile.TemporaryDirectory() as folder:
        workload = make_workload(name, scale, rounds)
        write_workload(workload, Path(folder))
        race = Race(name, workload.fits)
        print(f"\n{name}: {_describe(name, workload, scale)}", flush=True)
        race.absent |= {
            name: "not run here, since another peer was quicker on sparse-16 (--contender asks for it)"
            for name in CONTENDERS
            if not options.contender and name not in contenders
        }
        _run_all(race, [name for name in CONTENDERS if name in contenders], Path(folder), options)
        if name != "dense" and "sparksweep" in race.runs:
            race.boosting = _run("boosting", BOOSTING, Path(folder), limit=None).outcome.seconds
    return race


def _describe(name: str, workload: Workload, scale: float) -> str:
    rows, columns = workload.X.shape
    size = f"{rows:,} x {columns:,}"
    if name == "dense":
        rounds = f"{workload.parameters['n_estimators']} rounds"
    else:
        size += f" ({scale:g} of the sample's rows), {workload.X.nnz:,} values"
        rounds = f"{', '.join(map(str, workload.grid['n_estimators']))} rounds"
    return f"{size}; {len(workload.candidates)} candidates x {FOLDS} folds = {workload.fits} fits; {rounds}"


def _run_all(race: Race, contenders: Sequence[str], folder: Path, options: argparse.Namespace) -> None:
    """Run the contenders in turn, each as often as it shall be."""
    limit = options.limit
    for _ in range(options.runs or RUNS):
        for name in contenders:
            done = race.runs.get(name, [])
            if name in race.absent or (options.runs is None and sum(r.seconds for r in done) > ENOUGH):
                continue
            contender = CONTENDERS[name]
            absence = ENVIRONMENTS[contender.environment].absence if contender.environment else None
            if absence is not None:
                race.absent[name] = absence
                continue
            try:
                run = _run(name, contender, folder, limit=None if name in CORE else limit)
            except StoppedRunError as stopped:
                race.absent[name] = f"{stopped}, its start included"
            except FailedRunError as failed:
                if name in CORE:
                    raise
                race.absent[name] = f"failed: {_last_line(failed.errors)}"
            else:
                race.runs.setdefault(name, []).append(run)
                if name == "scikit-learn":
                    limit = options.limit or max(SHORTEST_LIMIT, 2 * run.seconds)


def _run(name: str, contender: Contender, folder: Path, *, limit: float | None) -> Run:
    environment = ENVIRONMENTS[contender.environment] if contender.environment else None
    python = environment.python if environment else sys.executable
    variables = {
        **os.environ,
        **(environment.variables if environment else {}),
        # Spark's workers see the contenders' modules by it.
        "PYTHONPATH": os.pathsep.join([str(ROOT / "lib"), str(ROOT)]),
        # One thread a fit for all, so that their scores can be compared bit for bit.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    command = [str(python), str(ROOT / "tests" / "bench" / "contend.py"), contender.module, str(folder)]
    began = time.perf_counter()
    measured = measure(command, sample_every=SAMPLE_EVERY, limit=limit, env=variables)
    outcome = Outcome(**json.loads(measured.output.splitlines()[-1]))
    seconds = time.perf_counter() - began
    print(f"  {name}: {outcome.seconds:.1f} s, {seconds:.0f} s with its start", flush=True)
    return Run(outcome, measured, seconds)


def _last_line(errors: str) -> str:
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    told = [line for line in lines if "Error" in line or "Exception" in line] or lines or ["it said nothing"]
    return told[-1][:200]


if __name__ == "__main__":
    sys.exit(main())
