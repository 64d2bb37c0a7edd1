"""Cores, slots and GPUs: by tables, and on a cluster of local executors."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pyspark
import pytest
from packaging.version import Version
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from xgboost import XGBClassifier

from sparksweep.errors import SetupError
from sparksweep.search import resources
from sparksweep.search.resources import Cluster, use_gpu, wants_gpu

LAPTOP = Cluster(None, cores=8, task_cpus=1, executor_cores=8, is_local=True)


@pytest.mark.parametrize(
    ("threads", "n_jobs", "tasks", "expected"),
    [
        # threads of a fit, of the refit, tasks at once, whether no more may be sent
        (None, None, 100, (1, 1, 8, False)),
        (None, 3, 100, (1, 1, 3, True)),
        (None, -2, 100, (1, 1, 7, True)),
        (None, 99, 100, (1, 1, 8, True)),
        (2, None, 100, (2, 2, 4, True)),
        (8, None, 100, (8, 8, 1, True)),
        ("spare", None, 100, (1, 8, 8, False)),
        ("spare", None, 3, (2, 8, 4, True)),
        ("spare", None, 1, (8, 8, 1, True)),
        ("spare", None, 0, (8, 8, 1, True)),
    ],
)
def test_a_laptop_is_shared(threads, n_jobs, tasks, expected):
    found = LAPTOP.allot(threads, n_jobs, tasks, gpu=False)
    assert (found.threads.count, found.refit_threads.count, found.slots, found.is_limited) == expected
    assert found.threads.is_asked is (threads is not None)


@pytest.mark.parametrize("threads", [0, 9, -1, "all", 1.5])
def test_threads_that_cannot_be_had(threads):
    with pytest.raises(ValueError, match=r"threads=.* 8 core.*'spare'"):
        LAPTOP.allot(threads, None, 5, gpu=False)


def test_the_cores_are_those_of_the_master(spark_context):
    """Not spark.default.parallelism, which pytest-spark sets to 1 here and a user to a thousand elsewhere."""
    assert spark_context.getConf().get("spark.default.parallelism") == "1"
    found = Cluster.of(spark_context)
    assert (found.cores, found.executor_cores, found.is_local) == (2, 2, True)


def test_no_fits_at_once_has_no_meaning():
    with pytest.raises(ValueError, match="n_jobs == 0"):
        LAPTOP.allot(None, 0, 5, gpu=False)


def test_who_wants_a_gpu():
    assert wants_gpu(XGBClassifier(device="cuda"), [])
    assert wants_gpu(XGBClassifier(), [{"device": "cpu"}, {"device": "cuda:1"}])
    assert wants_gpu(make_pipeline(XGBClassifier()), [{"xgbclassifier__device": "gpu"}])
    assert not wants_gpu(XGBClassifier(), [{"device": "cpu"}])
    assert not wants_gpu(LogisticRegression(), [{}])


def test_the_gpu_of_the_task_is_set():
    model = make_pipeline(XGBClassifier(device="cuda"))
    use_gpu(model, "3")
    assert model[0].device == "cuda:3"
    use_gpu(model, None)
    assert model[0].device == "cuda:3"
    plain = XGBClassifier()
    use_gpu(plain, "3")
    assert plain.device is None


def test_a_machine_without_a_gpu(spark_context, monkeypatch):
    monkeypatch.setattr(resources, "_GPU_FILES", ("no-such-device*",))
    with pytest.raises(SetupError, match="device=cuda, but this machine has no NVIDIA GPU"):
        Cluster.of(spark_context).allot(None, None, 5, gpu=True)


def test_a_master_without_stages_of_their_own(spark_context):
    cluster = replace(Cluster.of(spark_context), is_local=False, executor_cores=4)
    with pytest.raises(ValueError, match=r"threads=3 cannot be had: .* 1 core.* spark.task.cpus=3"):
        cluster.allot(3, None, 5, gpu=False)
    assert cluster.allot("spare", None, 1, gpu=False).threads.count == 1
    with pytest.raises(SetupError, match="Spark has no GPU to give: start it with"):
        cluster.allot(None, None, 5, gpu=True)


SCRIPT = """
import json
import numpy as np
from sparksweep import GridSearchCV
from sparksweep.session import create_session
from tests.search.estimators import TellsItsTask

GPUS = {{"resource.gpu.amount": "2", "resource.gpu.discoveryScript": "{finds}"}}
conf = {{f"spark.{{who}}.{{key}}": value for who in ("worker", "executor") for key, value in GPUS.items()}}
conf = {{**conf, "spark.ui.enabled": "false", "spark.task.resource.gpu.amount": "1"}}
spark = create_session("t", master="local-cluster[2,2,1024]", conf=conf)
X, y = np.zeros((20, 1)), np.arange(20) % 2

def told(estimator, values, **arguments):
    search = GridSearchCV(estimator, {{"value": values}}, sc=spark.sparkContext, cv=2,
                          scoring=lambda fitted, X, y: fitted.told(), **arguments).fit(X, y)
    names = ("cpus", "threads", "gpu")
    rows = zip(*(search.cv_results_[f"split0_test_{{name}}"].tolist() for name in names))
    return [dict(zip(names, row)) for row in rows], search

plain, _ = told(TellsItsTask(), [1, 2], refit=False)
gpus, _ = told(TellsItsTask(device="cuda", seconds=0.3), [1, 2, 3, 4], refit=False)
spare, _ = told(TellsItsTask(), [1], threads="spare", refit=False)
try:
    double, search = told(TellsItsTask(n_jobs=1), [1, 2], threads=2, refit="cpus", refit_on="executor")
    best = search.best_estimator_
    refit = [best.cpus_, best.threads_, best.n_jobs]
except ValueError as error:
    double, refit = str(error), None
print(json.dumps({{"plain": plain, "double": double, "spare": spare, "gpus": gpus, "refit": refit}}))
spark.stop()
"""


def test_cores_and_gpus_on_a_cluster(tmp_path):
    finds = tmp_path / "finds-gpus.sh"
    finds.write_text("""#!/bin/sh\necho '{"name": "gpu", "addresses": ["5", "7"]}'\n""")
    finds.chmod(0o755)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(finds=finds), encoding="utf-8")
    done = subprocess.run([sys.executable, script], check=False, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout.splitlines()[-1])
    assert [one["cpus"] for one in out["plain"]] == [1, 1]
    assert {one["gpu"] for one in out["gpus"]} == {5, 7}
    if Version(pyspark.__version__) < Version("3.4"):  # has such stages on YARN and Kubernetes alone
        assert "this master cannot change that for one stage" in out["double"]
        assert [(one["cpus"], one["threads"]) for one in out["spare"]] == [(1, 1)]
        return
    assert [(one["cpus"], one["threads"]) for one in out["double"]] == [(2, 2), (2, 2)]
    assert [(one["cpus"], one["threads"]) for one in out["spare"]] == [(2, 2)]
    assert out["refit"] == [2, 2, 1]
