from __future__ import annotations

import datetime
import functools
import itertools
import json
import operator
import os
import subprocess
import sys
import threading
import types
from collections import OrderedDict

import numpy as np
import pandas as pd
import pytest
import scipy
import sklearn
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import check_scoring, fbeta_score, make_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from xgboost import XGBClassifier

from sparksweep import GridSearchCV
from sparksweep.errors import ConfigError
from sparksweep.search.fingerprint import Fingerprint, candidate_key, fingerprint_of, fold_key
from sparksweep.search.workbench import SearchData
from tests.conftest import ROOT

X = np.random.default_rng(0).random((40, 3))
Y = np.arange(40) % 2
FOLDS = [(np.arange(30), np.arange(30, 40)), (np.arange(10, 40), np.arange(10))]
WEIGHT = {"of ones": [1.0, 2.0]}


def weighted(estimator, X, y):
    return float((estimator.predict(X) == y).mean() * WEIGHT["of ones"][1])


def scaled_by(factor):
    return lambda X: X * factor


class Offset(BaseEstimator):
    def __init__(self, by=1.0):
        self.by = by

    def fit(self, X, y=None):
        self.fitted_ = X.mean() + self.by
        return self


def frame(**changes):
    columns = {
        "number": [1.5, np.nan],
        "text": ["a", "é"],
        "kind": pd.Categorical(["x", "y"]),
        "when": pd.to_datetime(["2026-01-01", "2026-01-02"], utc=True),
        "maybe": pd.array([1, None], dtype="Int64"),
        "string": pd.array(["a", None], dtype="string"),
        "mixed": [1, "1"],
    }
    return pd.DataFrame({**columns, **changes})


def values():
    """One of each kind of value that a search may hold. They are made anew by each call."""
    fitted = LogisticRegression().fit(X, Y)
    matrix = sparse.random(20, 9, 0.3, "csr", random_state=1)
    return {
        "plain": [None, True, 1, -(2**70), 1.5, -0.0, float("nan"), 1j, "é\ud800", b"\0", ...],
        "sets": [{"a", "b", "c", "d"}, frozenset(["a", "b", "c", "d", "e"]), {1: {"x": {"y", "z"}}}],
        "tuples": [(1.5, 2), OrderedDict(a=1, b=2), datetime.date(2026, 11, 21), range(3)],
        "arrays": [X, X.T, X[:, ::2], X[::-1], Y, np.array(["a", None], object), np.float32(0.1)],
        "masked": np.ma.array([1, 2, 3], mask=[0, 1, 0]),
        "dates": np.array(["2026-11-21"], "datetime64[D]"),
        "sparse": [matrix.asformat(name) for name in ("csr", "csc", "coo", "bsr", "lil", "dok", "dia")],
        "frame": [frame(), frame().set_index(["text", "number"]), pd.DataFrame(X), pd.Series(Y, name="y")],
        "random state": [np.random.RandomState(3), np.random.default_rng(3)],
        "functions": [weighted, scaled_by(2), np.mean, np.exp, len, functools.partial(weighted, X=1)],
        "cached": functools.lru_cache(weighted),
        "methods": [Offset().fit, X.sum, operator.itemgetter(1)],
        "estimators": [
            make_pipeline(StandardScaler(), XGBClassifier(n_estimators=3)),
            ColumnTransformer([("some", FunctionTransformer(scaled_by(2)), [0, 1])]),
            GridSearchCV(LogisticRegression(), {"C": [1, 2]}),
            FrozenEstimator(fitted),
            Offset(by=fitted),
        ],
        "scorers": [
            check_scoring(fitted, scoring=None),
            check_scoring(fitted, scoring="neg_log_loss"),
            check_scoring(fitted, scoring=["accuracy", "roc_auc"]),
            make_scorer(fbeta_score, beta=2),
            make_scorer(weighted, response_method="predict_proba"),
        ],
    }


def keys():
    return {name: candidate_key({"value": value}) for name, value in values().items()}


@pytest.mark.parametrize("seed", ["1", "2"])
def test_another_process_has_the_same_digests(seed):
    program = "import json; from tests.search.test_fingerprint import keys; print(json.dumps(keys()))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT / 'lib'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == keys()


def test_all_of_these_values_differ():
    flat = [value for group in values().values() for value in (group if type(group) is list else [group])]
    found = [candidate_key({"value": value}) for value in flat]
    assert len(set(found)) == len(found) > 45


def memory_map(folder, array):
    np.save(folder / "array.npy", array)
    return np.load(folder / "array.npy", mmap_mode="r")


@pytest.mark.parametrize("array", [X, np.asfortranarray(X), Y, X[:1]], ids=["C", "F", "1-d", "one row"])
def test_an_array_is_the_same_wherever_it_lies(array, tmp_path):
    read_only = array.copy(order="K")
    read_only.flags.writeable = False
    mapped = memory_map(tmp_path, array)
    assert isinstance(mapped, np.memmap)
    assert candidate_key({"": array}) == candidate_key({"": mapped}) == candidate_key({"": read_only})


def test_what_a_sparse_matrix_knows_of_itself_does_not_count():
    matrix = sparse.random(20, 9, 0.3, "csr", random_state=1)
    before = candidate_key({"": matrix})
    assert matrix.has_sorted_indices
    assert matrix.has_canonical_format
    longer = matrix.copy()
    longer.data = np.append(longer.data, 0.0)
    longer.indices = np.append(longer.indices, np.int32(0))
    assert candidate_key({"": matrix}) == candidate_key({"": longer}) == before


EQUAL = {
    "order of a dict": ({"a": 1, "b": [2]}, {"b": [2], "a": 1}),
    "identity": ([(pair := (1.5, 2)), pair], [(1.5, 2), (1.5, int("2"))]),
    "fitted or not": (LogisticRegression(), LogisticRegression().fit(X, Y)),
    "a block or more": (pd.DataFrame({"a": [1.0], "b": [2.0]}), pd.DataFrame({"a": [1.0]}).assign(b=2.0)),
}
DIFFERENT = {
    "type": (1, 1.0),
    "type of a number": (1, np.int64(1)),
    "truth": (1, True),
    "sign of zero": (0.0, -0.0),
    "list or tuple": ([1], (1,)),
    "text or bytes": ("a", b"a"),
    "where texts end": (["ab", "c"], ["a", "bc"]),
    "nesting": ([[1], [2]], [[1, 2], []]),
    "last bit": (X, np.nextafter(X, 1)),
    "shape": (np.zeros((2, 3)), np.zeros((3, 2))),
    "kind of numbers": (np.zeros(2), np.zeros(2, np.int64)),
    "order in memory": (X, np.asfortranarray(X)),
    "transposed": (np.asfortranarray(X[:3]), X[:3].T.copy()),
    "mask": (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[0, 0])),
    "format": (sparse.csr_matrix(np.eye(3)), sparse.csc_matrix(np.eye(3))),
    "matrix or array": (sparse.csr_matrix(np.eye(3)), sparse.csr_array(np.eye(3))),
    "column's name": (frame(), frame().rename(columns={"text": "texts"})),
    "index": (frame(), frame().set_axis([1, 0])),
    "categories": (frame(), frame(kind=pd.Categorical(["x", "y"], ["y", "x"]))),
    "order of categories": (frame(), frame(kind=pd.Categorical(["x", "y"], ordered=True))),
    "missing": (frame(), frame(maybe=pd.array([1, 0], dtype="Int64"))),
    "missing text": (frame(), frame(string=pd.array(["a", ""], dtype="string"))),
    "object column": (frame(), frame(mixed=["1", 1])),
    "time zone": (frame(), frame(when=pd.to_datetime(["2026-01-01", "2026-01-02"]))),
    "class": (StandardScaler(), FunctionTransformer()),
    "parameter": (LogisticRegression(), LogisticRegression(C=2)),
    "deep parameter": (make_pipeline(Offset(1.0)), make_pipeline(Offset(2.0))),
    "output": (StandardScaler(), StandardScaler().set_output(transform="pandas")),
    "what is frozen": (
        FrozenEstimator(LogisticRegression().fit(X, Y)),
        FrozenEstimator(LogisticRegression().fit(X, 1 - Y)),
    ),
    "state of a generator": (np.random.RandomState(1), np.random.RandomState(2)),
    "seed of a generator": (np.random.default_rng(1), np.random.default_rng(2)),
    "closure": (scaled_by(2), scaled_by(3)),
    "code": (lambda x: x + 1, lambda x: x + 2),
    "names in code": (lambda x: x.min(), lambda x: x.max()),
    "cached code": (functools.lru_cache(lambda x: x + 1), functools.lru_cache(lambda x: x + 2)),
    "default": (lambda x, by=1: x, lambda x, by=2: x),
    "inner code": (lambda x: [y + 1 for y in x], lambda x: [y + 2 for y in x]),
    "scorer": (make_scorer(fbeta_score, beta=1), make_scorer(fbeta_score, beta=2)),
    "scorer's sign": (make_scorer(weighted), make_scorer(weighted, greater_is_better=False)),
    "metrics": (
        check_scoring(LogisticRegression(), scoring=["accuracy"]),
        check_scoring(LogisticRegression(), scoring=["f1"]),
    ),
}


@pytest.mark.parametrize(("one", "other"), EQUAL.values(), ids=list(EQUAL))
def test_equal_content_has_equal_digests(one, other):
    assert candidate_key({"": one}) == candidate_key({"": other})


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=list(DIFFERENT))
def test_another_content_has_another_digest(one, other):
    assert candidate_key({"": one}) != candidate_key({"": other})


USER_CODE = """
import numpy as np
import helping
from sklearn.base import BaseEstimator

COST = np.array([1.0, 5.0])
UNUSED = 1

def inner(x):
    return x * 2

class Base(BaseEstimator):
    margin = 3

    def fit(self, X, y):
        return self

class Chosen(Base):
    @property
    def size(self):
        return 7

    @staticmethod
    def named(x):
        return x

def score(estimator, X, y):
    return inner(COST[1]) + helping.help(1) + len([x for x in X if x in {"a", "b"}])
"""
HELPING = "def help(x):\n    return x + 40\n\ndef other(x):\n    return x"


def user_key(monkeypatch, code=USER_CODE, helping=HELPING):
    """The key of a class and a function in modules of the user's with this code."""
    for name, source in (("helping", helping), ("user_code", code)):
        module = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(source, name, "exec"), module.__dict__)
    module = sys.modules["user_code"]
    return candidate_key({"class": module.Chosen(), "function": module.score})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("5.0", "6.0"),
        ("x * 2", "x * 3"),
        ("margin = 3", "margin = 4"),
        ("return self", "return self or y"),
        ("return 7", "return 8"),
        ("return x\n\ndef score", "return -x\n\ndef score"),
        ('{"a", "b"}', '{"a", "c"}'),
        ("(Base)", "(BaseEstimator)"),
    ],
)
def test_code_of_the_user_counts(monkeypatch, old, new):
    assert old in USER_CODE
    assert user_key(monkeypatch) != user_key(monkeypatch, USER_CODE.replace(old, new))


def test_code_that_is_named_in_a_module_of_the_user_counts_and_no_other(monkeypatch):
    before = user_key(monkeypatch)
    assert user_key(monkeypatch, helping=HELPING.replace("40", "41")) != before
    assert (
        user_key(monkeypatch, helping=HELPING.replace("return x", "return 0").replace("0 + 40", "x + 40"))
        == before
    )
    assert user_key(monkeypatch, USER_CODE.replace("UNUSED = 1", "# moved\nUNUSED = 2")) == before


def test_code_that_names_the_same_again_and_again_is_read_once(monkeypatch):
    functions = [f"def f{n}(x):\n    return f{n - 1}(x) + f{n - 2}(x)\n" for n in range(2, 60)]
    first = ["def f0(x):\n    return x * 9\n", "def f1(x):\n    return x\n"]
    code = "\n".join([USER_CODE, *first, *functions, "score = f59"])
    assert user_key(monkeypatch, code) != user_key(monkeypatch, code.replace("x * 9", "x * 8"))


def test_code_may_name_functions_that_keep_what_cannot_be_told(monkeypatch):
    code = (
        USER_CODE.replace("import helping", "import helping, threading")
        + """
def keeping(lock):
    return lambda x: lock and x

kept = keeping(threading.Lock())

def score(x):
    return kept(x) + 1
"""
    )
    usual = user_key(monkeypatch, code)
    assert user_key(monkeypatch, code) == usual
    assert user_key(monkeypatch, code.replace("+ 1\n", "+ 2\n")) != usual


def arguments(**changes):
    usual = {
        "estimator": LogisticRegression(),
        "candidates_source": [{"C": 1.0}, {"C": 2.0}],
        "data": SearchData(X, Y, {"sample_weight": Y}, {"weights": Y}),
        "folds": FOLDS,
        "scorers": check_scoring(LogisticRegression(), scoring="accuracy"),
        "metrics": None,
        "error_score": np.nan,
        "return_train_score": False,
        "threads": 1,
    }
    return {**usual, **changes}


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"estimator": LogisticRegression(C=3)}, "estimator"),
        ({"candidates_source": [{"C": 1.0}]}, "parameters"),
        ({"data": SearchData(X + 1, Y, {"sample_weight": Y}, {"weights": Y})}, "X"),
        ({"data": SearchData(X, 1 - Y, {"sample_weight": Y}, {"weights": Y})}, "y"),
        ({"data": SearchData(X, Y, {}, {"weights": Y})}, "fit parameters"),
        ({"data": SearchData(X, Y, {"sample_weight": Y}, {})}, "scorer parameters"),
        ({"folds": FOLDS[::-1]}, "folds"),
        ({"scorers": weighted}, "scorers"),
        ({"metrics": ("accuracy",)}, "scorers"),
        ({"error_score": 0}, "error_score"),
        ({"error_score": "raise"}, "error_score"),
        ({"return_train_score": True}, "return_train_score"),
        ({"threads": 2}, "threads"),
    ],
)
def test_each_argument_has_its_part(change, part):
    usual, changed = fingerprint_of(**arguments()), fingerprint_of(**arguments(**change))
    assert usual.differences(changed) == (part,)
    assert usual.digest != changed.digest
    assert fingerprint_of(**arguments()) == usual


def test_the_configuration_of_scikit_learn_counts_where_fits_do():
    usual = fingerprint_of(**arguments())
    with sklearn.config_context(display="text"):
        assert fingerprint_of(**arguments()) == usual
    with sklearn.config_context(transform_output="pandas"):
        assert fingerprint_of(**arguments()).differences(usual) == ("scikit-learn configuration",)


def test_the_versions_are_those_of_what_takes_part():
    pipeline = make_pipeline(StandardScaler(), XGBClassifier())
    told = fingerprint_of(**arguments(estimator=pipeline)).parts["versions"]
    python = f"python {sys.version_info.major}.{sys.version_info.minor}"
    expected = [f"{module.__name__} {module.__version__}" for module in (np, scipy, xgboost)]
    assert told.split(", ")[:2] == [expected[0], python]
    assert f"scikit-learn {sklearn.__version__}" in told.split(", ")
    assert set(expected) < set(told.split(", "))
    assert "xgboost" not in fingerprint_of(**arguments()).parts["versions"]
    metric = {"scorers": make_scorer(lambda y, p: xgboost.__version__)}
    assert "xgboost" in fingerprint_of(**arguments(**metric)).parts["versions"]


def test_no_number_is_drawn():
    state = np.random.RandomState(3)
    estimator = make_pipeline(XGBClassifier(random_state=state))
    first = fingerprint_of(**arguments(estimator=estimator, scorers=check_scoring(estimator, scoring=None)))
    assert state.randint(10**9) == np.random.RandomState(3).randint(10**9)
    estimator = make_pipeline(XGBClassifier(random_state=np.random.RandomState(3)))
    scorers = check_scoring(estimator, scoring=None)
    assert fingerprint_of(**arguments(estimator=estimator, scorers=scorers)) == first


def test_requests_for_metadata_count():
    with sklearn.config_context(enable_metadata_routing=True):
        plain, asking = LogisticRegression(), LogisticRegression().set_fit_request(sample_weight=True)
        assert candidate_key({"": plain}) != candidate_key({"": asking})
        assert candidate_key({"": asking}) == candidate_key({"": asking})


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(
        ConfigError, match=r"journal: the search's estimator cannot be compared .*lock.*leave"
    ):
        fingerprint_of(**arguments(estimator=RandomForestClassifier(random_state=threading.Lock())))


def test_a_value_may_hold_itself():
    ring: list = [1]
    ring.append(ring)
    assert candidate_key({"": ring}) != candidate_key({"": [1, [1]]})


def test_folds_are_told_by_their_rows():
    train, test = FOLDS[0]
    usual = fold_key(train, test)
    assert fold_key(train.tolist(), test.astype(np.int32)) == usual
    others = [fold_key(test, train), fold_key(train[::-1], test), fold_key(train[1:], test)]
    mask = np.isin(np.arange(40), test)
    assert len({usual, *others, fold_key(~mask, mask)}) == 5


PARTS = st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=4)


@given(PARTS, PARTS)
def test_differences_are_what_differs(one, other):
    ours, theirs = Fingerprint(one), Fingerprint(other)
    expected = {name for name in itertools.chain(one, other) if one.get(name) != other.get(name)}
    assert set(ours.differences(theirs)) == expected
    assert (ours.digest == theirs.digest) == (not expected) == (ours == theirs)
    assert Fingerprint.from_json(ours.to_json()) == ours
    assert Fingerprint.from_json(ours.to_json()).digest == ours.digest
    assert Fingerprint(dict(reversed(one.items()))).digest == ours.digest


@pytest.mark.parametrize("text", ["", "[]", '{"X": 1}', '{"X": "1"', b"\xff"])
def test_another_text_is_no_fingerprint(text):
    with pytest.raises(ValueError):  # noqa: PT011 - several kinds
        Fingerprint.from_json(text)
