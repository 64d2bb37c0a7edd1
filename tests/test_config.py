from __future__ import annotations

from pathlib import Path

import pytest
from sklearn.model_selection import ParameterGrid

from sparksweep.config import (
    FEATURE_FAMILIES,
    SweepJobConfig,
    load_config,
    parse_options,
    parse_score_options,
    parse_sweep_options,
)
from sparksweep.errors import ConfigError
from tests.conftest import ROOT

CONF = ROOT / "conf"
SMALL = "input: data\nsearch:\n  grid: {max_depth: [3, 4]}\n"


def load(tmp_path, text=SMALL, *overrides):
    path = tmp_path / "job.yml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, overrides)


@pytest.mark.parametrize(
    ("name", "candidates", "families"),
    [
        ("single_vm_small", 4, 4),
        ("single_vm", 4, 8),
        ("distributed_sweep", 16, 8),
        ("distributed_sweep_40_fits", 8, 8),
        ("distributed_sweep_600_fits", 120, 8),
        ("sweep", 8, 8),
    ],
)
def test_the_files_of_conf(name, candidates, families):
    config = load_config(CONF / f"{name}.yml")
    assert len(ParameterGrid(config.search.grid)) == candidates
    assert config.search.folds == 5
    assert tuple(config.features.families) == FEATURE_FAMILIES[:families]
    assert config.search.parameters["objective"] == "multi:softprob"
    assert config.search.parameters["random_state"] == 0


def test_the_published_grids():
    fixed = {"reg_alpha": 1, "reg_lambda": 1, "colsample_bytree": 1, "learning_rate": 0.1}
    for name in ("single_vm_small", "single_vm"):
        search = load_config(CONF / f"{name}.yml").search
        assert search.grid == {"n_estimators": [300, 400], "max_depth": [3, 4]}
        assert search.parameters.items() >= {**fixed, "colsample_bylevel": 0.1, "subsample": 0.5}.items()
    large = load_config(CONF / "distributed_sweep.yml").search
    assert large.grid == {
        "n_estimators": [300, 400],
        "max_depth": [3, 4],
        "colsample_bylevel": [0.01, 0.1],
        "subsample": [0.5, 0.7],
    }
    assert large.parameters.items() >= fixed.items()


def test_every_key_of_a_sweep_is_set_and_explained():
    """conf/hyperdrive.yml has the language of Azure ML v2, as far as Spark has a use for it, and our own keys."""
    options = parse_sweep_options("", CONF / "hyperdrive.yml", [])
    assert options.config.model_fields_set == set(SweepJobConfig.model_fields)
    assert set(options.values) == {
        *("type", "experiment_name", "trial", "inputs", "outputs", "search_space", "sampling_algorithm"),
        *("objective", "limits", "early_termination"),
    }
    assert set(options.values["trial"]) == {"code", "command", "environment_variables"}
    limits = {"max_total_trials", "max_concurrent_trials", "timeout", "trial_timeout"}
    assert set(options.values["limits"]) == limits


OWN = sorted(path for path in CONF.glob("*.yml") if not path.name.startswith("hyperdrive"))


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_every_key_is_set_and_explained(path):
    """A file of conf/ holds all keys, so that a reader need not look elsewhere."""
    config = parse_score_options("", path, []) if path.name == "score.yml" else load_config(path)
    own = getattr(config, "data", None) is not None
    others = {"input", "staging", "malformed", "synthetic", "features"} if own else {"data"}
    assert config.model_fields_set == set(type(config).model_fields) - others
    sections = [getattr(config, name, None) for name in ("data" if own else "features", "search", "spark")]
    for section in filter(None, sections):
        assert section.model_fields_set == set(type(section).model_fields)
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        is_section = line.endswith(":") and not line.startswith(" ")
        if (
            ":" in line
            and not line.lstrip().startswith("#")
            and not line.startswith("    ")
            and not is_section
        ):
            assert "#" in line or lines[number - 1].lstrip().startswith("#"), line


def test_defaults(tmp_path):
    config = load(tmp_path)
    assert config.output == "output"
    assert config.metric == "neg_log_loss"
    assert config.features.families == dict.fromkeys(FEATURE_FAMILIES, "fraction")
    assert config.spark.master is None


def test_set_overrides_any_key(tmp_path):
    config = load(
        tmp_path,
        SMALL,
        "search.folds=3",
        "search.grid.max_depth=[5]",
        "features.word=false",
        "features.value=indicator",
        "features.hour=fraction",
        "output=abfss://c@a.dfs.core.windows.net/runs",
    )
    assert config.search.folds == 3
    assert config.search.grid == {"max_depth": [5]}
    assert config.output == "abfss://c@a.dfs.core.windows.net/runs"
    families = config.features.families
    assert "word" not in families
    assert families["hour"] == "fraction"
    assert families["app"] == "indicator"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inptu: data\n" + SMALL, "unknown key 'inptu'; did you mean 'input'?"),
        (SMALL + "  fold: 3\n", "unknown key 'search.fold'; did you mean 'folds'?"),
        (SMALL + "features: {apps: true}\n", "unknown key 'features.apps'; did you mean 'app'?"),
        (SMALL + "synthetic: {scale: 1, sead: 1}\n", "unknown key 'synthetic.sead'; did you mean 'seed'?"),
        (SMALL + "zzz: 1\n", "unknown key 'zzz'; known are input, data, output,"),
        ("search: {grid: {max_depth: [3]}}\n", "give one of input"),
        (SMALL + "  folds: 1\n", "search.folds: Input should be greater than or equal to 2, but 1 was given"),
        (SMALL + "  folds: many\n", "search.folds: .*'many' was given"),
        (
            SMALL + "  metric: neg_logloss\n",
            "search.metric: .*no metric 'neg_logloss'; did you mean 'neg_log_loss'?",
        ),
        (
            "input: d\nsearch: {grid: {max_dept: [3]}}\n",
            "search: grid.max_dept: XGBClassifier has no such parameter; did you mean 'max_depth'?",
        ),
        (
            SMALL + "  parameters: {sub_sample: 1}\n",
            "search: parameters.sub_sample: XGBClassifier has no such parameter; did you mean 'subsample'?",
        ),
        (SMALL + "  parameters: {max_depth: 1}\n", "grid.max_depth: it is fixed under parameters too"),
        ("input: d\nsearch: {grid: {max_depth: []}}\n", "grid.max_depth: the list is empty"),
        (
            "input: d\nsearch: {grid: {max_depth: 3}}\n",
            "search.grid.max_depth: .* valid list, but 3 was given",
        ),
        (SMALL + "features: {app: half}\n", "features.app: .*'half' was given"),
        (
            SMALL
            + "features: {brand_model: false, weekday: false, hour: false, weekday_hour: false, app: false, "
            "label: false, category: false, word: false}\n",
            "features: every feature family is off",
        ),
        (SMALL + "features: {read: a, write: b}\n", "features: give one of read and write"),
        (SMALL + "malformed: skip\n", "malformed: .*'skip' was given"),
        (
            "data: {path: a.csv, label: y}\nmalformed: drop\nsearch: {grid: {max_depth: [3]}}\n",
            "malformed is about the competition's tables",
        ),
        ("just text", "must hold keys with values"),
        ("input: [", "is not YAML"),
    ],
)
def test_one_sentence_for_what_is_wrong(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "job.yml") + ": ")
    assert "\n" not in str(caught.value)


def test_several_mistakes_are_counted(tmp_path):
    with pytest.raises(ConfigError, match=r"and 1 more to mend"):
        load(tmp_path, SMALL + "  folds: 1\nzzz: 1\n")


def test_a_signature_in_a_uri_is_refused_and_not_repeated(tmp_path):
    with pytest.raises(ConfigError, match="AZURE_STORAGE_SAS_TOKEN") as caught:
        load(tmp_path, SMALL.replace("data", "https://a.blob.core.windows.net/c?sv=2024&sig=TOPSECRET"))
    assert "TOPSECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("search.folds", "write KEY=VALUE"),
        ("=3", "write KEY=VALUE"),
        ("input.deep=3", "input is a value, not a section"),
        ("search.folds=[", "the value is not YAML"),
        ("search.fold=3", "unknown key 'search.fold'; did you mean 'folds'?"),
    ],
)
def test_wrong_overrides(tmp_path, override, message):
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        load(tmp_path, SMALL, override)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(ConfigError, match="no such file; name one with --config"):
        load_config(tmp_path / "none.yml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


def test_command_line(tmp_path, capsys):
    path = tmp_path / "job.yml"
    path.write_text(SMALL)
    assert parse_options("What it does.", path, ["--set", "search.folds=4"]).config.search.folds == 4
    assert parse_options("What it does.", Path("none.yml"), ["--config", str(path)]).config.search.folds == 5
    with pytest.raises(SystemExit) as stop:
        parse_options("What it does.", path, ["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for word in ("What it does.", "--config", "--set", "AZURE_STORAGE_CONNECTION_STRING", str(path.name)):
        assert word in text
    with pytest.raises(SystemExit) as stop:
        parse_options("What it does.", path, ["--nonsense"])
    assert stop.value.code == 2
