"""The notebook of the guide runs from its first cell to its last, and is committed as it ran."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from tests.conftest import ROOT

NOTEBOOK = ROOT / "docs" / "Tune-Hyperparameters.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]


@pytest.fixture(scope="module", name="ran")
def the_notebook_run(spark_session, tmp_path_factory):
    """Execute its code cells in order, in the docs folder of a copy; return what they defined."""
    folder = tmp_path_factory.mktemp("notebook")
    shutil.copytree(ROOT / "docs" / "examples", folder / "docs" / "examples")
    matplotlib.use("agg")
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "docs")
        patch.setattr("matplotlib.pyplot.show", lambda: None)
        for cell in CODE:
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
        names["folder"] = Path.cwd()
    assert names["folder"] == folder
    names["plt"].close("all")
    return names


def test_the_sweep_of_the_script(ran):
    runs = ran["runs"]
    assert len(runs) == 6
    assert set(runs["status"]) <= {"Completed", "Canceled"}
    assert runs["best_primary_metric"].is_monotonic_decreasing
    assert runs["best_primary_metric"].iloc[0] > 0.9
    assert all(np.exp(-12) <= rate <= 1 for rate in runs["regularization"])
    assert len(ran["axes"].lines) == 6
    longest = max(len(line.get_xdata()) for line in ran["axes"].lines)
    assert longest == runs["intervals"].max() == 20


def test_the_best_run_and_its_model(ran):
    best = ran["best"]
    assert best.id.rpartition("_")[2] == ran["runs"]["run"].iloc[0]
    model = ran["joblib"].load(ran["folder"] / "output" / "best.pkl")
    assert model.alpha == ran["runs"]["regularization"].iloc[0]


def test_it_goes_on_from_there(ran):
    assert len(ran["more"].get_hyperparameters()) == 2
    (best,) = ran["best_of_both"].get_metrics("Accuracy").values()
    assert max(best) >= ran["runs"]["best_primary_metric"].iloc[0]


def test_the_estimator_has_the_scores_of_the_grid_search(ran):
    assert ran["scores"] == ran["reported"]
    assert len(ran["scores"]) == 8
    rows = ran["boosting"].get_children_sorted_by_primary_metric()
    assert rows[0]["best_primary_metric"] == ran["grid"].best_score_
    assert len(rows) == 6


def test_it_is_committed_as_it_ran():
    assert [cell["execution_count"] for cell in CODE] == list(range(1, len(CODE) + 1))
    kinds = [output["output_type"] for cell in CODE for output in cell["outputs"]]
    assert "error" not in kinds
    images = [output for cell in CODE for output in cell["outputs"] if "image/png" in output.get("data", {})]
    assert len(images) == 1
    ids = [cell["id"] for cell in CELLS]
    assert len(set(ids)) == len(ids)


def test_its_outputs_name_no_machine():
    shown = json.dumps([cell["outputs"] for cell in CODE])
    assert re.search(r"(?<![\w.<])/(tmp|home|work|root|Users|var|opt)/", shown) is None
    assert NOTEBOOK.stat().st_size < 200_000
