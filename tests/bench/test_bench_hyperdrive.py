"""The benchmark of samplers and policies counts right: against hand-worked curves and a second, naive loop."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from scipy import sparse
from sklearn.model_selection import cross_val_score
from xgboost import XGBClassifier

from sparksweep.hyperdrive import (
    BanditPolicy,
    GridParameterSampling,
    NoTerminationPolicy,
    RandomParameterSampling,
    TPEParameterSampling,
    choice,
)
from sparksweep.hyperdrive.termination.reports import Reports
from tests.bench import curves as curves_module
from tests.bench.bench_hyperdrive import main, run_all
from tests.bench.curves import CONFIG, Curves, Task, boost, cached_curves, compute_curves
from tests.bench.replay import Replay, replay_optuna, replay_sweep
from tests.bench.reporting import measure_overhead
from tests.bench.trials import Trials, print_figure, print_trials
from tests.bench.tuning import CONTENDERS, Settings, contend

# Three paths of 40 rounds, a report every 10. An interval takes them 1, 2 and 4 seconds, of both folds together.
SCORES = [[-0.9, -0.8, -0.7, -0.6], [-0.9, -0.6, -0.4, -0.5], [-0.5, -0.5, -0.5, -0.3]]
CURVES = Curves(
    names=("depth",),
    paths=((1,), (2,), (3,)),
    interval=10,
    scores=np.array(SCORES),
    seconds=np.array([[2.0, 2.0], [4.0, 4.0], [8.0, 8.0]]),
    rounds=(20, 40),
)
IN_ORDER = GridParameterSampling({"depth": choice(1, 2, 3), "n_estimators": choice(40)})
NO_POLICY = NoTerminationPolicy()


def random_curves(seed: int) -> Curves:
    """Return curves that rise, cross and fall, and take different times."""
    rng = np.random.default_rng(seed)
    paths = tuple((column, row) for column in (0.1, 0.2, 0.5, 1.0) for row in (0.5, 0.7, 0.9))
    scores = -1 - rng.uniform(0, 0.3, (12, 1)) * np.exp(-np.arange(14) / rng.uniform(1, 9, (12, 1)))
    scores -= rng.uniform(0, 0.01, (12, 1)) * np.arange(14)
    return Curves(("column", "row"), paths, 50, scores, rng.uniform(1, 3, (12, 5)), (300, 400, 500, 600, 700))


def test_what_the_grid_needs_and_has() -> None:
    assert CURVES.grid_rounds == 3 * 40
    assert CURVES.grid_best == -0.3  # after 20 or 40 rounds
    assert replace(CURVES, rounds=(20,)).grid_best == -0.5
    assert replace(CURVES, rounds=(20,)).best_anywhere == -0.3
    assert CURVES.grid_scores == {(1,): -0.6, (2,): -0.5, (3,): -0.3}
    assert CURVES.path_of({"n_estimators": 20, "depth": 3}) == 2
    assert CURVES.grid_makespan(1) == 28
    assert CURVES.grid_makespan(2) == 14  # 8 + 4 + 2 twice
    assert CURVES.grid_makespan(3) == 10  # 8 + 2, 8, and 4 + 4 + 2
    assert CURVES.grid_makespan(16) == 8


def test_rounds_up_to_the_target_with_one_slot() -> None:
    # All 40 of the first path, and 30 of the second: 4 x 1 s + 3 x 2 s.
    assert replay_sweep(CURVES, IN_ORDER, NO_POLICY, 1, -0.45, 120) == Replay(True, 70, 10.0, 2, 0)
    # A score that is the target has reached it.
    assert replay_sweep(CURVES, IN_ORDER, NO_POLICY, 1, -0.4, 120) == Replay(True, 70, 10.0, 2, 0)


def test_what_other_slots_have_begun_counts() -> None:
    # Path 1 reports at 1, 2, 3, 4 s; path 2 at 2, 4, 6 s, where path 3 has been at its first interval since 4 s.
    assert replay_sweep(CURVES, IN_ORDER, NO_POLICY, 2, -0.45, 120) == Replay(True, 40 + 30 + 10, 6.0, 3, 0)
    # With three slots path 3 has its first report at 4 s, when path 1 ends its fourth interval and path 2 its second.
    assert replay_sweep(CURVES, IN_ORDER, NO_POLICY, 9, -0.5, 120) == Replay(True, 40 + 20 + 10, 4.0, 3, 0)


def test_a_run_has_the_rounds_that_its_setting_says() -> None:
    short = GridParameterSampling({"depth": choice(1, 2), "n_estimators": choice(20)})
    assert replay_sweep(CURVES, short, NO_POLICY, 1, -0.45, 120) == Replay(False, 40, 6.0, 2, 0)


def test_rounds_that_a_policy_saves_are_not_counted() -> None:
    reverse = GridParameterSampling({"depth": choice(3, 1, 2), "n_estimators": choice(40)})
    # Path 3 sets -0.5, so path 1 is stopped at 10 rounds. Path 2 is not judged before its second interval.
    early = BanditPolicy(slack_amount=0.05)
    late = BanditPolicy(slack_amount=0.15, delay_evaluation=2)
    high = -0.1
    assert replay_sweep(CURVES, reverse, early, 1, high, 120) == Replay(False, 60, 16 + 1 + 2, 3, 2)
    assert replay_sweep(CURVES, reverse, late, 1, high, 120) == Replay(False, 40 + 20 + 40, 16 + 2 + 8, 3, 1)


@pytest.mark.parametrize(("budget", "rounds"), [(120, 120), (119, 110), (55, 50), (10, 10), (9, 0)])
def test_the_budget_is_kept(budget: int, rounds: int) -> None:
    for slots in (1, 2, 3):
        replayed = replay_sweep(CURVES, IN_ORDER, NO_POLICY, slots, 0.0, budget)
        assert (replayed.is_reached, replayed.rounds) == (False, rounds)
        assert replayed.begun <= math.ceil(rounds / 10)
    # What was begun within the budget may still reach the target: 40 rounds, then 30 of the second path.
    assert replay_sweep(CURVES, IN_ORDER, NO_POLICY, 1, -0.4, 70).is_reached
    assert not replay_sweep(CURVES, IN_ORDER, NO_POLICY, 1, -0.4, 69).is_reached


def naive(curves, sampling, policy, target, budget) -> Replay:
    """One run after the other, with nothing of the driver's."""
    proposals = sampling.start(maximize=True)
    values: dict[str, list[float]] = {}
    ended: set[str] = set()
    rounds, seconds, stopped, number = 0, 0.0, 0, 0
    while (setting := proposals.ask()) is not None:
        path, run = curves.path_of(setting), str(number)
        for score in curves.scores[path][: setting["n_estimators"] // curves.interval]:
            if rounds + curves.interval > budget:
                return Replay(False, rounds, seconds, len(values), stopped)
            rounds += curves.interval
            seconds += curves.seconds[path].sum() * curves.interval / curves.most_rounds
            values.setdefault(run, []).append(score)
            if score >= target:
                return Replay(True, rounds, seconds, len(values), stopped)
            if policy.stops(run, Reports(values, True, ended)):
                stopped += 1
                break
        ended.add(run)
        proposals.tell(number, max(values[run]))
        number += 1
    return Replay(False, rounds, seconds, len(values), stopped)


@pytest.mark.parametrize("policy", ["none", "bandit", "median", "truncation", "halving", "plateau"])
@pytest.mark.parametrize("sampler", [GridParameterSampling, RandomParameterSampling, TPEParameterSampling])
def test_the_driver_decides_as_a_naive_loop(sampler, policy) -> None:
    seen = set()
    for seed in range(4):
        curves = random_curves(seed)
        space = {
            "n_estimators": choice(700),
            "column": choice(0.1, 0.2, 0.5, 1.0),
            "row": choice(0.5, 0.7, 0.9),
        }
        sampling = sampler(space) if sampler is GridParameterSampling else sampler(space, seed=seed)
        how = Settings(50, delay=150, every=50, slack=0.02).policies()[policy]
        target = curves.grid_best + [-0.01, -0.001, 0.1, 0.1][seed]
        ours = replay_sweep(curves, sampling, how, 1, target, 8000)
        theirs = naive(curves, sampling, how, target, 8000)
        assert ours == replace(theirs, seconds=ours.seconds)
        assert ours.seconds == pytest.approx(theirs.seconds)
        seen.add((ours.rounds, ours.stopped > 0))
    assert len(seen) > 1
    assert any(has_stopped for _, has_stopped in seen) == (policy != "none")


class StopAt20(optuna.pruners.BasePruner):
    """Stops each trial at its 20th round."""

    def prune(self, study, trial) -> bool:
        return trial.last_step == 20


def test_optunas_rounds_count_as_ours() -> None:
    # Where there is one path, what is asked makes no difference.
    one = Curves(("depth",), ((1,),), 10, np.array(SCORES[1:2]), np.array([[4.0, 4.0]]), (40,))
    ours = GridParameterSampling({"depth": choice(1), "n_estimators": choice(40)})
    for target, slots in [(-0.6, 1), (-0.4, 1)]:
        theirs = replay_optuna(one, optuna.pruners.NopPruner, 0, slots, target, 120)
        assert theirs == replay_sweep(one, ours, NO_POLICY, slots, target, 120)
    # The same path again and again, until the budget is spent: 40 + 40 + 30.
    assert replay_optuna(one, optuna.pruners.NopPruner, 0, 1, 0.0, 115) == Replay(False, 110, 22.0, 3, 0)
    # With two slots the two at work boost side by side.
    assert replay_optuna(one, optuna.pruners.NopPruner, 0, 2, -0.4, 120) == Replay(True, 60, 6.0, 2, 0)
    # Each is stopped after 20 rounds, the third one after the budget.
    assert replay_optuna(one, StopAt20, 0, 1, -0.4, 55) == Replay(False, 50, 10.0, 3, 2)


@pytest.mark.parametrize(
    "name", ["random + median", "tpe + halving", "optuna + hyperband", "grid + bandit", "grid + plateau"]
)
def test_a_seed_gives_the_same_again(name: str) -> None:
    curves = random_curves(1)
    settings = Settings(50, delay=150, every=50, slack=0.02)
    target = curves.grid_best - 1e-6
    found = [contend(CONTENDERS[name], curves, settings, 2, seed, target) for seed in (0, 1, 2, 3)]
    for _ in range(3):  # Hyperband's brackets are drawn: twice the same may be chance
        again = [contend(CONTENDERS[name], curves, settings, 2, seed, target) for seed in (0, 1, 2, 3)]
        assert again == found
    assert len(set(found)) > 1


def test_each_contender_keeps_to_the_budget_and_knows_its_space() -> None:
    curves = random_curves(2)
    settings = Settings(50, delay=150, every=50, slack=0.02)
    for contender in CONTENDERS.values():
        found = contend(contender, curves, settings, 3, 0, math.inf)
        assert not found.is_reached
        assert found.rounds <= curves.grid_rounds
        # Without a policy, runs shorter than 700 rounds are more than the grid's rounds give of that length.
        assert (found.begun > 12) == (contender.policy == "none" or contender.sampler == "optuna")
    assert {CONTENDERS[name].sampler for name in CONTENDERS} == {
        "grid",
        "random",
        "bayesian",
        "tpe",
        "optuna",
    }
    assert [name for name in CONTENDERS if name.startswith("bayesian")] == ["bayesian + none"]


def test_medians_count_a_seed_that_never_reached_the_target_as_the_worst(capsys) -> None:
    replays = [Replay(True, 10 * n, 2.0 * n, n, 0) for n in range(1, 10)] + [Replay(False, 100, 5.0, 9, 4)]
    trials = Trials(replays, 100, 20.0)
    assert (trials.reached, trials.within(0.3)) == (9, 3)
    assert trials.shares == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, math.inf]
    assert trials.share_of_most == 0.9
    assert trials.makespan == 0.5
    never = Trials([replays[-1]] * 6 + replays[:4], 100, 20.0)
    assert never.makespan == never.share_of_most == math.inf
    print_trials({"tpe + bandit": trials, "random + none": never})
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines[1].split()) == "tpe + bandit 9/10 3/10 0.50 0.10-never 0.90 0.50 6 0"
    assert " ".join(lines[2].split()) == "random + none 4/10 3/10 never 0.10-never never never 9 4"


def test_the_figure_is_that_of_the_best_combination_with_early_termination(capsys) -> None:
    good = Trials([Replay(True, 30, 1.0, 1, 0)] * 9 + [Replay(False, 100, 1.0, 1, 0)], 100, 1.0)
    bad = Trials([Replay(True, 31, 1.0, 1, 0)] * 2 + good.replays[:8], 100, 1.0)
    perfect = Trials([Replay(True, 1, 1.0, 1, 0)] * 10, 100, 1.0)
    print_figure(
        {"tpe + none": perfect, "optuna + median": perfect, "tpe + bandit": bad, "tpe + median": good}
    )
    out = capsys.readouterr().out
    assert "(tpe + median)" in out
    assert "0.30, at most 0.30: reached\nthose that reach it: tpe + median\n" in out
    print_figure({"tpe + bandit": bad, "tpe + none": perfect})
    assert "0.31, at most 0.30: missed\nthose that reach it: none\n" in capsys.readouterr().out
    print_figure({"tpe + none": perfect})
    assert capsys.readouterr().out == ""


@pytest.fixture(scope="module")
def task() -> Task:
    rng = np.random.default_rng(0)
    X = sparse.csr_matrix((rng.uniform(size=(150, 12)) < 0.3).astype(np.float32))
    y = (X @ rng.normal(size=(12, 3)) + rng.gumbel(size=(150, 3))).argmax(axis=1)
    fixed = {"objective": "multi:softprob", "tree_method": "hist", "learning_rate": 0.3, "random_state": 3}
    grid = {"n_estimators": [4, 6], "max_depth": [2], "subsample": [0.5, 1.0], "colsample_bylevel": [0.3]}
    return Task(X, y, fixed, grid, 3, 2)


def test_curves_are_scikit_learns_scores(task: Task, tmp_path: Path) -> None:
    curves = cached_curves(tmp_path / "bench" / "curves.npz", lambda: compute_curves(task))

    assert (curves.names, curves.paths) == (
        ("colsample_bylevel", "max_depth", "subsample"),
        ((0.3, 2, 0.5), (0.3, 2, 1.0)),
    )
    assert (curves.interval, curves.rounds, curves.scores.shape, curves.seconds.shape) == (
        2,
        (4, 6),
        (2, 3),
        (2, 3),
    )
    for path, values in enumerate(curves.paths):
        for interval, rounds in enumerate((2, 4, 6)):
            setting = dict(zip(curves.names, values, strict=True))
            estimator = XGBClassifier(**task.parameters, **setting, n_estimators=rounds, n_jobs=1)
            scores = cross_val_score(estimator, task.X, task.y, cv=3, scoring="neg_log_loss")
            assert curves.scores[path, interval] == pytest.approx(scores.mean(), abs=1e-6)
    assert (curves.seconds > 0).all()
    assert np.ptp(curves.scores) > 0.01


def test_the_fold_is_the_one_that_was_asked_for(task: Task) -> None:
    assert len({tuple(boost(task, 0, fold)[0]) for fold in range(3)}) == 3


def test_curves_are_computed_once(tmp_path: Path) -> None:
    file = tmp_path / "curves.npz"
    computed = []

    def fail() -> Curves:
        raise ValueError("no curves")

    with pytest.raises(ValueError, match="no curves"):
        cached_curves(file, fail)
    assert list(tmp_path.iterdir()) == []
    for _ in range(2):
        read = cached_curves(file, lambda: computed.append(1) or CURVES)
        assert np.array_equal(read.scores, CURVES.scores)
        assert np.array_equal(read.seconds, CURVES.seconds)
        assert replace(read, scores=0, seconds=0) == replace(CURVES, scores=0, seconds=0)
    assert computed == [1]
    assert list(tmp_path.iterdir()) == [file]


def test_the_grid_is_the_published_one() -> None:
    search = curves_module.load_config(CONFIG).search
    task = Task(None, None, search.parameters, search.grid, search.folds, 20)
    assert (len(task.paths), max(task.grid["n_estimators"]), task.folds) == (24, 700, 5)
    assert len(task.paths) * len(task.grid["n_estimators"]) == 120


def test_contenders_run_in_processes_of_their_own() -> None:
    curves = random_curves(3)
    settings = Settings(50, delay=150, every=50, slack=0.02)
    names = ["random + bandit", "optuna + median", "optuna + patient"]
    trials = run_all(curves, settings, names, 2, 2, curves.grid_best - 0.001)
    assert list(trials) == names
    for name, one in trials.items():
        assert one.replays == [
            contend(CONTENDERS[name], curves, settings, 2, seed, curves.grid_best - 0.001) for seed in (0, 1)
        ]
        assert (one.grid_rounds, one.grid_seconds) == (12 * 700, curves.grid_makespan(2))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scale", "0"], "--scale must be above 0"),
        (["--slots", "2", "0"], "--slots must be above 0"),
        (["--interval", "30"], "--interval must divide 100"),
        (["--delay", "110"], "--delay must be a multiple"),
        (["--only", "tpe"], "invalid choice"),
    ],
)
def test_options_that_make_no_sense(arguments, words, capsys, monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["bench_hyperdrive.py", *arguments])
    with pytest.raises(SystemExit):
        main()
    assert words in capsys.readouterr().err


def test_reports_are_counted_where_they_arrive() -> None:
    overhead = measure_overhead(runs=3, reports=4, every=0.1)
    assert (overhead.runs, overhead.reports) == (3, 12)
    assert min(overhead.in_runs, overhead.in_driver) > 0
    assert overhead.seconds >= 0.4
    assert overhead.share == (overhead.in_runs + overhead.in_driver) / (3 * overhead.seconds)
