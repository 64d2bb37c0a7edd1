"""A sweep from the CSVs to the run's folder, and every mistake that a person can make on the way."""

from __future__ import annotations

import base64
import csv
import json
import shutil
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import LabelEncoder
from xgboost import XGBClassifier

from sparksweep.config import load_config
from sparksweep.data import read_devices, read_tables
from sparksweep.data.synthetic import write_dataset
from sparksweep.features import build_features, to_matrix
from sparksweep.pipeline import run_job
from sparksweep.storage import open_store
from tests.conftest import ROOT, check_refusal

SWEEP = ROOT / "conf" / "sweep.yml"
OFF = [word for name in ("app", "label", "category", "word") for word in ("--set", f"features.{name}=false")]
RUN_FILES = {
    *("sweeping_results.txt", "results.csv", "best.json", "model.joblib", "model.ubj"),
    *("feature_names.csv", "predictions.csv", "data_report.csv", "journal"),
}
SMALL = [
    *("--set", "search.grid={n_estimators: [2, 3], max_depth: [2], colsample_bylevel: [0.1]}"),
    *("--set", "search.folds=3"),
    *("--set", "synthetic=null"),
]


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset")
    write_dataset(folder, scale=0.01, seed=0)
    return folder


@pytest.fixture
def copied(dataset, tmp_path):
    """A dataset that the test may spoil."""
    return shutil.copytree(dataset, tmp_path / "input")


@pytest.fixture
def sweep(spark_session, tmp_path, capsys):
    """Run the job in this process and return exit code, standard output, standard error."""

    def run(folder, *options):
        places = ["--set", f"input={folder}", "--set", f"output={tmp_path / 'runs'}"]
        code = run_job("A sweep.", SWEEP, [*places, "--set", f"cache={tmp_path / 'cache'}", *SMALL, *options])
        return code, *capsys.readouterr()

    return run


def test_a_run_leaves_its_files_and_scikit_learns_numbers(spark_session, dataset, tmp_path, sweep):
    code, out, _ = sweep(dataset)
    assert code == 0
    run_id = (tmp_path / "runs" / "latest.txt").read_text().strip()
    folder = tmp_path / "runs" / run_id
    assert {path.name for path in folder.iterdir()} == RUN_FILES
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == sorted([run_id, "latest.txt"])

    # The same matrix by way of the library, and scikit-learn's own search on it.
    config = load_config(SWEEP)
    tables = read_tables(spark_session, open_store(str(dataset)), cache=str(tmp_path / "cache"))
    devices = read_devices(tables)
    matrix = to_matrix(build_features(tables, config.features.families, devices.ids), devices)
    y = LabelEncoder().fit_transform(matrix.devices.groups)
    theirs = GridSearchCV(
        XGBClassifier(**config.search.parameters, n_jobs=1),
        {"n_estimators": [2, 3], "max_depth": [2], "colsample_bylevel": [0.1]},
        scoring="neg_log_loss",
        cv=3,
    ).fit(matrix.X_train, y)
    with (folder / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    by_rounds = {int(row["n_estimators"]): row for row in rows}
    for candidate, parameters in enumerate(theirs.cv_results_["params"]):
        row = by_rounds[parameters["n_estimators"]]
        assert float(row["mean"]) == theirs.cv_results_["mean_test_score"][candidate]
        for fold in range(3):
            assert float(row[f"fold{fold}"]) == theirs.cv_results_[f"split{fold}_test_score"][candidate]
    best = json.loads((folder / "best.json").read_text())
    assert best["run_id"] == run_id
    assert best["best_parameters"] == theirs.best_params_
    assert (best["train_devices"], best["features"]) == matrix.X_train.shape
    assert (best["candidates"], best["fits"]) == (2, 6)
    model = joblib.load(folder / "model.joblib")
    np.testing.assert_array_equal(model.predict_proba(matrix.X_test), theirs.predict_proba(matrix.X_test))

    with (folder / "predictions.csv").open(newline="") as file:
        predictions = list(csv.reader(file))
    assert predictions[0] == ["device_id", *best["classes"]]
    assert [int(row[0]) for row in predictions[1:]] == matrix.devices.test_ids.tolist()
    probabilities = np.array([row[1:] for row in predictions[1:]]).astype(np.float32)
    np.testing.assert_array_equal(probabilities, theirs.predict_proba(matrix.X_test))

    for text in (f"{best['features']:,} features", "2 candidates, 6 fits", "rank", str(folder)):
        assert text in out


def test_a_second_run_gets_a_folder_of_its_own_and_latest_follows(dataset, tmp_path, sweep):
    first = sweep(dataset, *OFF) and (tmp_path / "runs" / "latest.txt").read_text()
    second = sweep(dataset, *OFF) and (tmp_path / "runs" / "latest.txt").read_text()
    assert first != second
    folders = [path.name for path in (tmp_path / "runs").iterdir() if path.is_dir()]
    assert sorted(folders) == sorted([first.strip(), second.strip()])


def test_a_staged_input_is_read_where_it_was_staged(dataset, tmp_path, sweep):
    staging = tmp_path / "shared"
    code, _, err = sweep(dataset, "--set", f"staging={staging.as_uri()}")
    assert code == 0, err
    (staged,) = staging.glob("staged-*")
    assert {path.name for path in staged.iterdir()} == {path.name for path in dataset.iterdir()}
    events = staged / "events.csv"
    events.write_text(events.read_text().replace("event_id,", "id,", 1))
    code, _, err = sweep(dataset, "--set", f"staging={staging.as_uri()}")
    assert code == 2, "the staged copy is what is read"
    assert str(events) in err.splitlines()[-1]


def test_families_that_are_off_have_no_columns(dataset, tmp_path, sweep):
    off = [
        word
        for family in ("app", "label", "category", "word")
        for word in ("--set", f"features.{family}=false")
    ]
    code, _, _ = sweep(dataset, *off)
    assert code == 0
    run = tmp_path / "runs" / (tmp_path / "runs" / "latest.txt").read_text().strip()
    with (run / "feature_names.csv").open(newline="") as file:
        prefixes = {row["feature"].split(":")[0] for row in csv.DictReader(file)}
    assert prefixes == {"phone_brand", "device_model", "weekday", "hour", "weekday_hour"}


def _report(runs):
    folder = runs / (runs / "latest.txt").read_text().strip()
    with (folder / "data_report.csv").open(newline="") as file:
        return {(row["table"], row["finding"]): int(row["rows"]) for row in csv.DictReader(file)}


def test_what_is_tolerated_is_counted(copied, tmp_path, sweep):
    def append(table, *rows):
        with (copied / f"{table}.csv").open("a") as file:
            file.writelines(f"{row}\n" for row in rows)

    assert sweep(copied)[0] == 0
    before = _report(tmp_path / "runs")
    train = (copied / "gender_age_train.csv").read_text().splitlines()
    phone = (copied / "phone_brand_device_model.csv").read_text().splitlines()[1]
    device = train[1].partition(",")[0]
    event = next(
        row
        for row in (copied / "events.csv").read_text().splitlines()[1:]
        if row.split(",")[1] in {line.partition(",")[0] for line in train}
    )
    append("gender_age_train", train[1], "oops")
    append("phone_brand_device_model", "5,OPPO,R9", f"{phone.partition(',')[0]},Other,Other")
    append(
        "events", event, "999999999,5,2016-05-01 10:00:00,0,0", f",{device},2016-05-01 10:00:00,0,0", "1,2"
    )
    append(
        "app_events",
        "999999999,1,1,1",
        "888888888,1,1,1",
        "x,1,1,1",
        "7,y,1,1",
        f"{event.split(',')[0]},,1,1",
    )
    append("app_labels", "1,")
    append("label_categories", "999999,")

    code, _, err = sweep(copied)
    assert code == 2
    assert "gender_age_train.csv, line" in err
    code, _, err = sweep(copied, "--set", "malformed=drop")
    assert code == 0, err
    after = _report(tmp_path / "runs")
    changed = {key: after[key] - before[key] for key in after if after[key] != before[key]}
    assert changed == {
        ("gender_age_train", "read"): 2,
        ("gender_age_train", "dropped: malformed"): 1,
        ("gender_age_train", "dropped: repeated"): 1,
        ("phone_brand_device_model", "read"): 2,
        ("phone_brand_device_model", "dropped: of an unknown device"): 1,
        ("phone_brand_device_model", "dropped: repeated"): 1,
        ("events", "read"): 4,
        ("events", "dropped: malformed"): 1,
        ("events", "dropped: without an id"): 1,
        ("events", "dropped: of an unknown device"): 1,
        ("events", "dropped: repeated"): 1,
        ("app_events", "read"): 5,
        ("app_events", "dropped: malformed"): 2,
        ("app_events", "dropped: without an id"): 1,
        ("app_events", "dropped: of no event of a known device"): 2,
        ("app_labels", "read"): 1,
        ("app_labels", "dropped: without an id"): 1,
        ("label_categories", "read"): 1,
        ("label_categories", "without a category"): 1,
        ("label_categories", "used"): 1,
    }


def test_the_report_adds_up(spark_session, dataset, tmp_path, sweep):
    assert sweep(dataset)[0] == 0
    report = _report(tmp_path / "runs")
    for table in {table for table, _ in report}:
        parts = [
            rows
            for (name, finding), rows in report.items()
            if name == table and finding[:4] in ("drop", "used")
        ]
        assert sum(parts) == report[table, "read"]
    events = {row.split(",")[1] for row in (dataset / "events.csv").read_text().splitlines()[1:]}
    for part in ("train", "test"):
        rows = (dataset / f"gender_age_{part}.csv").read_text().splitlines()[1:]
        idle = [row for row in rows if row.partition(",")[0] not in events]
        assert report[f"gender_age_{part}", "devices without events"] == len(idle) > 0


def test_features_are_written_once_and_read_by_other_sweeps(dataset, tmp_path, sweep):
    def run(*options):
        assert sweep(dataset, *options)[0] == 0
        return tmp_path / "runs" / (tmp_path / "runs" / "latest.txt").read_text().strip()

    first = run("--set", f"features.write={tmp_path / 'features'}")
    devices = tmp_path / "devices"
    devices.mkdir()
    for part in ("train", "test"):
        shutil.copy(dataset / f"gender_age_{part}.csv", devices)
    options = ["--set", f"features.read={tmp_path / 'features'}", "--set", f"input={devices}", "--fresh"]
    second = run(*options)
    for name in ("results.csv", "predictions.csv", "feature_names.csv"):
        ours, theirs = ((folder / name).read_text() for folder in (first, second))
        if name == "results.csv":  # without the seconds
            ours, theirs = (
                [row["mean"] for row in csv.DictReader(text.splitlines())] for text in (ours, theirs)
            )
        assert ours == theirs

    code, _, err = sweep(dataset, *options, "--set", "features.app=indicator")
    check_refusal(code, err, ["features", "app (fraction)", "app (indicator)"])
    code, _, err = sweep(dataset, "--set", f"features.write={tmp_path / 'features'}")
    check_refusal(code, err, ["holds features already", "features.read"])


def test_tables_that_no_family_needs_may_be_missing(copied, tmp_path, sweep):
    for table in ("app_events", "app_labels", "label_categories"):
        (copied / f"{table}.csv").unlink()
    code, _, err = sweep(copied, *OFF)
    assert code == 0, err
    assert not {table for table, _ in _report(tmp_path / "runs")} & {"app_events", "app_labels"}


def test_the_sample_dataset_is_written_where_nothing_lies(tmp_path, sweep):
    folder = tmp_path / "new"
    code, out, _ = sweep(folder, "--set", "synthetic={scale: 0.01, seed: 1}", *OFF)
    assert code == 0
    assert "synthetic dataset of scale 0.01" in out
    assert len(list(folder.glob("*.csv"))) == 7


def spoil(folder, name, change):
    path = folder / f"{name}.csv"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def replace_line(number, line):
    def change(text):
        lines = text.split("\n")
        lines[number - 1] = line
        return "\n".join(lines)

    return change


def tear(folder):
    path = folder / "events.csv"
    with zipfile.ZipFile(folder / "events.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, path.name)
    path.unlink()
    torn = folder / "events.csv.zip"
    torn.write_bytes(torn.read_bytes()[:-2000])


def disagree(text):
    device = text.split("\n")[1].split(",")[0]
    return text + f"{device},F,1,F23-\n{device},M,99,M39+\n"


def rare_group(text):
    header, first, *rest = text.split("\n")
    return "\n".join([header, first.rsplit(",", 1)[0] + ",X99+", *rest])


MISTAKES = {
    "missing file": (lambda folder: (folder / "app_labels.csv").unlink(), [], ["app_labels"]),
    "missing folder": (shutil.rmtree, [], ["input"]),
    "wrong header": (
        lambda folder: spoil(
            folder, "events", replace_line(1, "event_id,device,timestamp,longitude,latitude")
        ),
        [],
        ["events.csv", "device_id"],
    ),
    "torn zip": (tear, [], ["events.csv.zip"]),
    "not a number": (
        lambda folder: spoil(folder, "app_events", replace_line(5, "one,2,1,1")),
        [],
        ["app_events.csv", "line 5", "one,2,1,1"],
    ),
    "training rows that disagree": (
        lambda folder: spoil(folder, "gender_age_train", disagree),
        [],
        ["gender_age_train.csv", "F23-", "M39+"],
    ),
    "empty file": (lambda folder: (folder / "events.csv").write_text(""), [], ["events.csv", "empty"]),
    "class smaller than folds": (
        lambda folder: spoil(folder, "gender_age_train", rare_group),
        [],
        ["gender_age_train.csv", "X99+", "search.folds=3"],
    ),
    "unknown metric": (
        lambda folder: None,
        ["--set", "search.metric=logloss"],
        ["search.metric", "neg_log_loss"],
    ),
    "unknown parameter": (
        lambda folder: None,
        ["--set", "search.parameters.max_leafs=3"],
        ["parameters.max_leafs", "max_leaves"],
    ),
    "a value that XGBoost refuses": (
        lambda folder: None,
        [*OFF, "--set", "search.grid={max_depth: [-3], n_estimators: [2]}"],
        ["every fit failed", "max_depth", "search.grid"],
    ),
    "a metric for two classes only": (
        lambda folder: None,
        [*OFF, "--set", "search.metric=roc_auc"],
        ["search.metric=roc_auc", "12 classes"],
    ),
    "unknown scheme": (lambda folder: None, ["--set", "input=gopher://x/y"], ["gopher"]),
}


@pytest.mark.filterwarnings("ignore")  # scikit-learn's, of the fits that fail
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_in_one_sentence(copied, tmp_path, sweep, mistake):
    spoiled, options, words = MISTAKES[mistake]
    spoiled(copied)
    code, _, err = sweep(copied, *options)
    check_refusal(code, err, words)
    assert not list((tmp_path / "runs").glob("*")), "something was left half-written"


@pytest.mark.parametrize(
    ("container", "key", "words"),
    [
        ("none-such", None, ["none-such", "container"]),
        ("none-such", base64.b64encode(b"another key" * 6).decode(), ["AZURE_STORAGE_CONNECTION_STRING"]),
    ],
    ids=["missing container", "wrong key"],
)
def test_a_container_that_cannot_be_read(blob_server, tmp_path, sweep, monkeypatch, container, key, words):
    for name, value in blob_server.environ(key=key).items():
        monkeypatch.setenv(name, value)
    code, _, err = sweep(f"az://{container}/raw")
    check_refusal(code, err, words)
    assert (key or blob_server.key) not in err
    assert not list((tmp_path / "runs").glob("*"))


@pytest.mark.parametrize("output", ["/proc/runs", "{input}/events.csv/runs"])
def test_an_unwritable_output_is_refused_before_anything_is_computed(copied, sweep, output):
    output = output.format(input=copied)
    if output.startswith("/proc") and not Path("/proc").is_dir():
        pytest.skip("a folder where even root cannot write is Linux's")
    code, out, err = sweep(copied, "--set", f"output={output}")
    assert code == 2
    assert output in err.splitlines()[-1]
    assert "features" not in out
