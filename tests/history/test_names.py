from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import path_not_unique, validate_param_and_metric_name

from sparksweep.history.names import own_tags, restored, stored_name, stored_parameters, stored_tags


@pytest.mark.parametrize("name", ["accuracy", "xgb__max_depth", "a b", "a/b.c-d:e", "größe", "x" * 200])
def test_what_mlflow_takes_stays(name):
    assert stored_name(name) == name


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        ("f1 (macro)", "f1 _macro__"),
        ("", "_"),
        (".", "__"),
        ("../up", "_._up_"),
        ("/root", "_root_"),
        ("a//b", "a__b_"),
        ("a/", "a__"),
        ("line\n", "line__"),
        ("x" * 201, "x" * 191 + "_"),
    ],
)
def test_what_mlflow_refuses_is_mended(name, beginning):
    assert stored_name(name).startswith(beginning)
    assert len(stored_name(name)) == len(stored_name(name).rstrip("\n")) <= 200


@given(
    st.one_of(
        st.text(max_size=20), st.text(alphabet="./ab_\n", max_size=6), st.text(min_size=195, max_size=300)
    )
)
def test_mlflow_takes_every_stored_name(name):
    stored = stored_name(name)
    assert validate_param_and_metric_name(stored)
    assert not path_not_unique(stored)
    assert len(stored) <= 200


@given(st.lists(st.text(alphabet="a_?!/.", max_size=4), unique=True, max_size=30))
def test_two_names_never_meet(names):
    assert len({stored_name(name) for name in names}) == len(names)


@given(st.dictionaries(st.text(alphabet="a?!_/", max_size=4), st.text(max_size=5)))
def test_names_come_back(values):
    stored = stored_parameters(values)
    clean = {
        name: value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
        for name, value in values.items()
    }
    assert restored(stored.parameters, stored.tags) == clean
    assert own_tags(stored_tags(values)) == clean


def test_long_values():
    stored = stored_parameters(
        {"whole": "x" * 6001, "cut": "y" * 9000, "fits": "z" * 6000, "other": "y" * 9001}
    )
    assert {len(value) for value in stored.parameters.values()} == {6000}
    assert stored.parameters["cut"] != stored.parameters["other"]
    assert "…" in stored.parameters["cut"]
    back = restored(stored.parameters, stored.tags)
    assert {name: len(value) for name, value in back.items()} == {
        "whole": 6001,
        "cut": 6000,
        "fits": 6000,
        "other": 6000,
    }
    assert len(stored_tags({"t": "x" * 8001})["t"]) == 8000
