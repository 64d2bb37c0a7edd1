"""What a script logs by MLflow's own client reaches the task, and what does not belong there is refused."""

from __future__ import annotations

import http.client
import json
import math
import os
import subprocess
import sys
import threading
import time

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from sparksweep.hyperdrive.child.relay import API, Relay

RUN = "sweep_3"

#: A script that knows nothing of sparksweep. It prints what it sees as JSON.
SCRIPT = """
import json, os, sys
import mlflow
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

seen = {}
mlflow.log_metric("Accuracy", 0.5)
mlflow.log_metric("Accuracy", 0.75)
mlflow.log_metric("Accuracy", 1, step=7)
mlflow.log_metrics({"loss": 0.25, "auc": 0.9}, step=2)
for value in ("nan", "inf", "-inf"):
    mlflow.log_metric("odd", float(value))
mlflow.log_param("rate", 0.1)
mlflow.log_params({"depth": 3, "name": "a b"})
mlflow.set_tag("note", "first")
mlflow.set_tags({"note": "second", "gone": "x"})
mlflow.delete_tag("gone")
seen["active"] = mlflow.active_run().info.run_id
mlflow.end_run()

mlflow.set_experiment("mine")
seen["started"] = []
for number in range(2):
    with mlflow.start_run(run_name="named") as run:
        seen["started"].append(run.info.run_id)
        mlflow.log_metric("within", number)
        with mlflow.start_run(nested=True) as inner:
            seen["started"].append(inner.info.run_id)
            mlflow.log_metric("nested", number)

mlflow.log_text("hello", "notes/hello.txt")
mlflow.log_dict({"a": 1}, "a.json")
open("local.txt", "w").write("content")
mlflow.log_artifact("local.txt")
mlflow.log_artifact("local.txt", "below")

mlflow.sklearn.autolog(log_models=False)
X, y = load_iris(return_X_y=True)
model = LogisticRegression(C=0.5, max_iter=300).fit(X, y)
mlflow.sklearn.autolog(disable=True)
logged = mlflow.sklearn.log_model(model, name="classifier", pip_requirements=["scikit-learn"], input_example=X[:2])
seen["again"] = mlflow.sklearn.load_model(logged.model_uri).predict(X).tolist() == model.predict(X).tolist()

run = mlflow.get_run(mlflow.active_run().info.run_id)
seen["params"], seen["tags"] = run.data.params, run.data.tags
seen["last"] = {name: str(value) for name, value in run.data.metrics.items()}
history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "Accuracy")
seen["history"] = [[metric.value, metric.step] for metric in history]
try:
    mlflow.search_runs(["0"])
except mlflow.exceptions.RestException as error:
    seen["refused"] = [error.error_code, str(error)]
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """What came of SCRIPT: what it saw, its metrics, and the relay's folder and last words."""
    folder = tmp_path_factory.mktemp("relay with space")
    artifacts, code = folder / "artifacts", folder / "code"
    artifacts.mkdir()
    code.mkdir()
    metrics = []
    with Relay(RUN, artifacts, metrics.extend) as relay:
        environ = {
            **os.environ,
            "MLFLOW_TRACKING_URI": relay.url,
            "MLFLOW_TRACKING_TOKEN": relay.token,
            "MLFLOW_RUN_ID": RUN,
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=code,
            env=environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Encountered unexpected error" not in done.stderr
        seen = json.loads(done.stdout.splitlines()[-1])
        return {"seen": seen, "metrics": metrics, "artifacts": artifacts, "code": code, "words": relay.logged}


def values(logged, name):
    return [(metric.value, metric.step) for metric in logged["metrics"] if metric.name == name]


def test_metrics_by_their_steps_or_in_their_order(logged):
    # Each once, although log_model logs the run's metrics again, with the model.
    assert values(logged, "Accuracy") == [(0.5, 0), (0.75, 1), (1.0, 7)]
    assert values(logged, "loss") == [(0.25, 2)]
    assert values(logged, "auc") == [(0.9, 2)]
    assert values(logged, "within") == values(logged, "nested") == [(0.0, 0), (1.0, 1)]


def test_metrics_that_are_no_numbers(logged):
    (nan, first), (most, second), (least, third) = values(logged, "odd")
    assert math.isnan(nan)
    assert (most, least) == (math.inf, -math.inf)
    assert (first, second, third) == (0, 1, 2)


def test_times_are_those_of_the_script(logged):
    times = [metric.time for metric in logged["metrics"] if metric.name == "Accuracy"]
    assert times == sorted(times)
    assert 0 <= time.time() - times[0] < 600


def test_parameters_and_tags(logged):
    words = logged["words"]
    assert {name: words.parameters[name] for name in ("rate", "depth", "name")} == {
        "rate": "0.1",
        "depth": "3",
        "name": "a b",
    }
    assert words.tags["note"] == "second"
    assert "gone" not in words.tags
    assert not [name for name in words.tags if name.startswith("mlflow.")]


def test_every_run_is_the_child_run(logged):
    assert logged["seen"]["active"] == RUN
    assert logged["seen"]["started"] == [RUN] * 4


def test_files_lie_below_the_artifacts(logged):
    artifacts = logged["artifacts"]
    assert (artifacts / "notes" / "hello.txt").read_text() == "hello"
    assert json.loads((artifacts / "a.json").read_text()) == {"a": 1}
    assert (artifacts / "local.txt").read_text() == "content"
    assert (artifacts / "below" / "local.txt").read_text() == "content"
    assert [path.name for path in logged["code"].iterdir()] == ["local.txt"]


def test_autolog_of_a_fit(logged):
    assert logged["words"].parameters["C"] == "0.5"
    assert logged["words"].tags["estimator_name"] == "LogisticRegression"
    (accuracy, _), *others = values(logged, "training_accuracy_score")
    X, y = load_iris(return_X_y=True)
    assert accuracy == LogisticRegression(C=0.5, max_iter=300).fit(X, y).score(X, y)
    assert others == []


def test_a_logged_model(logged):
    assert logged["seen"]["again"] is True
    (folder,) = (logged["artifacts"] / "models").iterdir()
    assert (folder / "MLmodel").exists()


def test_what_was_logged_can_be_read_again(logged):
    seen = logged["seen"]
    assert seen["params"]["name"] == "a b"
    assert seen["tags"]["note"] == "second"
    assert seen["last"]["Accuracy"] == "1.0"
    assert seen["last"]["odd"] == "-inf"
    assert seen["history"] == [[0.5, 0], [0.75, 1], [1.0, 7]]


def test_what_is_not_known_is_refused_as_mlflow_does(logged):
    code, sentence = logged["seen"]["refused"]
    assert code == "ENDPOINT_NOT_FOUND"
    assert "sparksweep does not take this: /api/2.0/mlflow/runs/search" in sentence


@pytest.fixture(name="relay")
def running_relay(tmp_path):
    taken = []
    with Relay(RUN, tmp_path, taken.extend) as relay:
        relay.taken = taken
        yield relay


def ask(relay, path, content=None, *, method="POST", token=None, **headers):
    """Return status, answer and the connection."""
    connection = http.client.HTTPConnection(relay.url.removeprefix("http://"), timeout=20)
    body = content if isinstance(content, bytes | None) else json.dumps(content)
    token = relay.token if token is None else token
    headers = {"Authorization": f"Bearer {token}", **headers}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


METRIC = {"key": "a", "value": 1.5, "step": 0, "timestamp": 1000}
LOG = f"{API}/runs/log-metric"


def test_a_wrong_token_is_refused(relay):
    for token in ("", "wrong", relay.token + "x", "\xe4"):
        status, answer = ask(relay, LOG, METRIC, token=token)
        assert status == 401
        assert answer["error_code"] == "UNAUTHENTICATED"
        assert relay.token not in str(answer)
    assert relay.taken == []
    assert ask(relay, LOG, METRIC)[0] == 200
    assert [metric.value for metric in relay.taken] == [1.5]


@pytest.mark.parametrize(
    "path", ["/", "/api/2.0/mlflow/registered-models/create", f"{API}/runs/search", "/reports"]
)
def test_an_unknown_endpoint(relay, path):
    status, answer = ask(relay, path, {})
    assert status == 404
    assert answer == {"error_code": "ENDPOINT_NOT_FOUND", "message": f"sparksweep does not take this: {path}"}


def test_a_request_of_5_mb_is_refused_so_that_the_client_hears_it(relay):
    assert ask(relay, LOG, b" " * (5 << 20))[0] == 413
    assert ask(relay, LOG, b" " * (3 << 20) + json.dumps(METRIC).encode())[0] == 200


def test_a_request_without_a_length_is_refused(relay):
    # The header alone: the relay answers and goes, and a client that still sends may not get to hear it.
    connection = http.client.HTTPConnection(relay.url.removeprefix("http://"), timeout=20)
    connection.putrequest("POST", LOG)
    connection.putheader("Authorization", f"Bearer {relay.token}")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    assert connection.getresponse().status == 411
    connection.close()
    assert ask(relay, LOG, b"", **{"Content-Length": "-5"})[0] == 411
    assert relay.taken == []


@pytest.mark.parametrize(
    "content",
    [
        b"{torn",
        b"\xff\xfe",
        b"[" * 100_000,
        [1],
        {},
        {"key": "a"},
        {**METRIC, "value": "much"},
        {**METRIC, "value": [1]},
        {**METRIC, "step": "first"},
        {**METRIC, "step": 2**63},
        {**METRIC, "step": math.inf},
        {**METRIC, "timestamp": math.nan},
        {**METRIC, "timestamp": -5},
        {**METRIC, "timestamp": 1e300},
    ],
)
def test_what_cannot_be_read(relay, content):
    status, answer = ask(relay, LOG, content)
    assert status == 400
    assert answer["error_code"] == "INVALID_PARAMETER_VALUE"
    assert relay.taken == []
    assert ask(relay, LOG, METRIC)[0] == 200


@pytest.mark.parametrize(
    "content",
    [{"metrics": "many"}, {"metrics": {"a": 1}}, {"params": ["a"]}, {"tags": [{"key": "a"}]}, {"tags": 5}],
)
def test_a_batch_that_cannot_be_read(relay, content):
    assert ask(relay, f"{API}/runs/log-batch", content)[0] == 400


def test_of_a_batch_what_stands_before_a_wrong_metric_counts(relay):
    batch = {"metrics": [METRIC, {**METRIC, "key": "b", "value": "much"}, {**METRIC, "key": "c"}]}
    assert ask(relay, f"{API}/runs/log-batch", batch)[0] == 400
    assert [metric.name for metric in relay.taken] == ["a"]


def test_long_names_and_texts_are_cut(relay):
    ask(relay, LOG, {**METRIC, "key": "a" * 1000})
    ask(relay, f"{API}/runs/set-tag", {"key": "b" * 1000, "value": "c" * 10_000})
    assert relay.taken[0].name == "a" * 250
    assert relay.logged.tags == {"b" * 250: "c" * 6000}


def test_many_at_once_lose_nothing(relay):
    def log(number):
        for _ in range(20):
            assert ask(relay, LOG, {**METRIC, "key": f"m{number % 3}"})[0] == 200

    threads = [threading.Thread(target=log, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("m0", "m1", "m2"):
        assert [metric.step for metric in relay.taken if metric.name == name] == list(range(80))
