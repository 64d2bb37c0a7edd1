"""Samplers and policies on the space of the 120-candidate grid: ``make bench-hyperdrive``.

The question: how many rounds of boosting, and how many seconds on some slots, until a run has reported a score within
0.001 of the best one of the whole grid. The learning curves of the grid are computed once, kept, and replayed: the
driver, samplers and policies are those that ship, and only boosting is simulated. ``optuna`` is Optuna by itself, with
its TPE sampler and its own pruners.

Beside a policy every run has the 700 rounds of the longest candidate to go, and the policy ends it. Without one, the
number of rounds is a choice as in the grid. ``grid`` lists the options of each parameter in an order by chance, since
the best may happen to come first. Nobody may boost more rounds than the full grid does, whose candidates share their
paths: child runs share nothing, and boost what they need for themselves.

``--overhead`` measures something else: what it costs that runs report.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "lib"), str(ROOT)]

import optuna

from tests.bench.curves import FEATURES, Curves, cached_curves, compute_curves, published_task
from tests.bench.replay import Replay
from tests.bench.reporting import print_overhead
from tests.bench.trials import Trials, print_figure, print_trials
from tests.bench.tuning import CONTENDERS, Contender, Settings, contend

TOLERANCE = 0.001


def run_all(
    curves: Curves, settings: Settings, names: Sequence[str], slots: int, seeds: int, target: float
) -> dict[str, Trials]:
    """Run the contenders with all seeds, two at a time."""
    asked = {
        name: [_Asked(CONTENDERS[name], curves, settings, slots, seed, target) for seed in range(seeds)]
        for name in names
    }
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context, initializer=_hush) as pool:
        done = pool.map(_contend, [one for each in asked.values() for one in each])
        return {
            name: Trials([next(done) for _ in each], curves.grid_rounds, curves.grid_makespan(slots))
            for name, each in asked.items()
        }


@dataclass(frozen=True)
class _Asked:
    contender: Contender
    curves: Curves
    settings: Settings
    slots: int
    seed: int
    target: float


def _contend(asked: _Asked) -> Replay:
    return contend(asked.contender, asked.curves, asked.settings, asked.slots, asked.seed, asked.target)


def _hush() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def main() -> int:
    options = _options()
    if options.overhead:
        print_overhead()
        return 0
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    file = ROOT / ".cache" / "bench" / f"curves-{options.features}-{options.scale:g}-{options.interval}.npz"
    curves = cached_curves(
        file,
        lambda: compute_curves(published_task(options.scale, options.interval, FEATURES[options.features])),
    )
    settings = Settings(options.interval, options.delay)
    best = curves.grid_best if options.target == "grid" else curves.best_anywhere
    target = best - TOLERANCE
    _describe(curves, settings, target, options)
    for slots in options.slots:
        start = time.perf_counter()
        trials = run_all(curves, settings, options.only, slots, options.seeds, target)
        print(f"\n{slots} slots; the grid takes {curves.grid_makespan(slots):,.0f} s")
        print_trials(trials)
        print_figure(trials)
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)
    return 0


def _describe(curves: Curves, settings: Settings, target: float, options: argparse.Namespace) -> None:
    good = [path for path, score in curves.grid_scores.items() if score >= target]
    print(
        f"scale {options.scale:g}, {options.features} feature sets; {len(curves.paths)} paths of {curves.most_rounds} rounds = "
        f"{curves.grid_rounds:,} rounds a fold; a report every {curves.interval}\n"
        f"the grid's best {curves.grid_best:.5f} (best after any number of rounds {curves.best_anywhere:.5f}), "
        f"target {target:.5f}: {len(good)} of the paths have a candidate that reaches it; {options.seeds} seeds"
    )
    for name, policy in settings.policies().items():
        print(f"  {name}: {policy}")
    print(
        f"  optuna: TPESampler(multivariate, constant_liar); HyperbandPruner({settings.delay}, {curves.most_rounds}, "
        f"{settings.reduction}), MedianPruner(3, {settings.delay - 1}, {settings.every}), in rounds; "
        f"PatientPruner(None, {settings.patience - 1})"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--scale", type=float, default=0.05, help="of the dataset; 1 is the competition's size"
    )
    parser.add_argument(
        "--features", choices=FEATURES, default="four", help="the first four feature sets, or all"
    )
    parser.add_argument("--interval", type=int, default=20, help="rounds from one report to the next")
    parser.add_argument("--seeds", type=int, default=20, help="of the samplers")
    parser.add_argument("--slots", type=int, nargs="+", default=[2, 16], help="runs at once")
    parser.add_argument("--delay", type=int, default=Settings.delay, help="rounds before a policy decides")
    parser.add_argument(
        "--target",
        choices=["grid", "anywhere"],
        default="grid",
        help="what the score is to come near: the best one of the grid's candidates, or after any number of rounds",
    )
    parser.add_argument(
        "--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="NAME", help="contenders"
    )
    parser.add_argument("--overhead", action="store_true", help="measure what reporting costs instead")
    options = parser.parse_args()
    for name in ("scale", "interval", "seeds", "delay"):
        if getattr(options, name) <= 0:
            parser.error(f"--{name} must be above 0, not {getattr(options, name):g}")
    if min(options.slots) < 1:
        parser.error(f"--slots must be above 0, not {min(options.slots)}")
    if options.delay % options.interval or 100 % options.interval:
        parser.error("--interval must divide 100, and --delay must be a multiple of it")
    return options


if __name__ == "__main__":
    sys.exit(main())
