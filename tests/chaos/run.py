"""Sweeps whose executors and drivers are killed while fits run: ``make chaos``.

A quiet sweep gives the scores. Then the same sweep runs again and again on a cluster of local executors; its
executors are killed in the middle of a fit, or its driver is, and is started again with the same journal. Every
sweep has to end with the same scores to the last bit, and no fit that had ended five seconds before a driver's
death may be done again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.chaos.estimator import begun
from tests.chaos.sweep import FOLDS, GRID

ROOT = Path(__file__).parent.parent.parent
FITS = FOLDS * len(GRID["max_depth"]) * len(GRID["reg_alpha"])
#: Seconds after which a fit that has ended has to be in the journal.
JOURNALLED_AFTER = 5.0
#: Executor kills in one sweep: Spark gives an application up that loses too many in a row.
KILLS_A_SWEEP = 5


class Sweep:
    """A sweep in a folder of its own: its journal, its log of fits, and its results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.log.mkdir(parents=True)
        self.results = folder / "results.json"

    def start(self) -> subprocess.Popen[bytes]:
        environ = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "lib"), str(ROOT)]),
            "PYSPARK_PYTHON": sys.executable,
            "CHAOS_LOG": str(self.log),
            "CHAOS_SECONDS": "1.0",
        }
        command = [sys.executable, "-m", "tests.chaos.sweep", str(self.folder / "journal"), str(self.results)]
        output = (self.folder / "output.txt").open("ab")
        return subprocess.Popen(command, env=environ, stdout=output, stderr=output, cwd=self.folder)

    def scores(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = json.loads(self.results.read_text(encoding="utf-8"))
        return found

    def ended(self, after: float, before: float) -> set[str]:
        """The fits that ended between two moments, each by what it fitted."""
        ends = ((path, path.stat().st_mtime) for path in self.log.glob("*.end"))
        return {path.name.split("_")[0] for path, moment in ends if after <= moment <= before}

    def begun_since(self, moment: float) -> set[str]:
        return {path.name.split("_")[0] for path in self.log.glob("*.begin") if path.stat().st_mtime > moment}


def wait_for(what: Callable[[], object], process: subprocess.Popen[bytes]) -> object:
    """Return what a function finds as soon as it finds something, or None when the process has ended."""
    while process.poll() is None:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    return None


def kill_an_executor(sweep: Sweep, process: subprocess.Popen[bytes], chance: random.Random) -> bool:
    """Kill the executor of a fit that runs, and say whether that fit was hit."""
    token = wait_for(lambda: chance.choice([*begun(sweep.log)] or [None]), process)
    if not isinstance(token, str):
        return False
    time.sleep(chance.uniform(0, 0.8))
    try:
        worker = psutil.Process(int(token.split("_")[1]))
        executor = next(
            parent
            for parent in worker.parents()
            if "CoarseGrainedExecutorBackend" in " ".join(parent.cmdline())
        )
        executor.kill()
        worker.wait(timeout=20)
    except (psutil.NoSuchProcess, StopIteration):
        return False  # it was faster
    return token in begun(sweep.log)


def chase_executors(folder: Path, kills: int, expected: object, chance: random.Random) -> None:
    done = sweeps = 0
    while done < kills:
        sweep = Sweep(folder / f"executors-{sweeps}")
        process = sweep.start()
        hits = 0
        while hits < min(KILLS_A_SWEEP, kills - done) and process.poll() is None:
            hits += kill_an_executor(sweep, process, chance)
            time.sleep(chance.uniform(0.5, 3))
        code = process.wait(timeout=900)
        again = len([*sweep.log.glob("*.end")]) - FITS
        done, sweeps = done + hits, sweeps + 1
        check(sweep, code, expected)
        print(
            f"sweep {sweeps}: {hits} executors killed in a fit; equal scores; {again} ended fits done again",
            flush=True,
        )


def chase_drivers(folder: Path, kills: int, expected: object, chance: random.Random) -> None:
    done = sweeps = 0
    while done < kills:
        sweep = Sweep(folder / f"drivers-{sweeps}")
        deaths = 0
        while True:
            started = time.time()
            process = sweep.start()
            if done < kills and wait_for(lambda: sweep.begun_since(started), process):  # noqa: B023 - used at once
                time.sleep(chance.uniform(2, 9))
            if done >= kills or process.poll() is not None:
                break
            kill_the_driver(sweep, process, started, chance)
            done, deaths = done + 1, deaths + 1
        check(sweep, process.wait(timeout=900), expected)
        sweeps += 1
        print(
            f"sweep {sweeps}: {deaths} drivers killed; equal scores; no journalled fit done again", flush=True
        )


def kill_the_driver(
    sweep: Sweep, process: subprocess.Popen[bytes], started: float, chance: random.Random
) -> None:
    """Kill a driver, see that nothing of it is left, and note which fits must not be done again."""
    family = psutil.Process(process.pid).children(recursive=True)
    # Those of this driver: what ended right before an earlier one's death may have been lost with it.
    kept = sweep.ended(started, time.time() - JOURNALLED_AFTER)
    process.send_signal(chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
    process.wait(timeout=60)
    _, orphans = psutil.wait_procs(family, timeout=60)
    assert not orphans, f"still there a minute after their driver: {orphans}"
    with (sweep.folder / "kept.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps([time.time(), sorted(kept)]) + "\n")


def check(sweep: Sweep, code: int | None, expected: object) -> None:
    output = (sweep.folder / "output.txt").read_text(encoding="utf-8", errors="replace")
    assert code == 0, f"{sweep.folder.name} ended with {code}:\n{output[-5000:]}"
    assert sweep.scores() == expected, f"{sweep.folder.name}: other scores than the quiet run's"
    notes = sweep.folder / "kept.jsonl"
    for line in notes.read_text(encoding="utf-8").splitlines() if notes.exists() else ():
        died, kept = json.loads(line)
        again = set(kept) & sweep.begun_since(died)
        assert not again, f"{sweep.folder.name}: fits that were in the journal are done again: {again}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executors", type=int, default=20, help="executors to kill in a fit")
    parser.add_argument("--drivers", type=int, default=10, help="drivers to kill")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        folder = Path(name)
        quiet = Sweep(folder / "quiet")
        code = quiet.start().wait(timeout=900)
        expected = quiet.scores() if code == 0 else None
        check(quiet, code, expected)
        print(f"quiet sweep: {FITS} fits", flush=True)
        chase_executors(folder, options.executors, expected, chance)
        chase_drivers(folder, options.drivers, expected, chance)
    print(
        f"{options.executors} executors and {options.drivers} drivers killed; every sweep ended with equal scores"
    )


if __name__ == "__main__":
    main()
