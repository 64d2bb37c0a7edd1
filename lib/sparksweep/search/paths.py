"""Boosting paths: candidates that differ only in the number of rounds are prefixes of one fit.

The first n rounds of a longer fit are the fit of n rounds, bit for bit, where each round depends on those
before it and on seeded chance alone. :func:`path_of` says whether that holds for an estimator as it is
parametrised; where it does not, or cannot be shown to, every candidate is fitted by itself.

A prefix shares with the long fit what it does not change. These attributes, which are no part of the public
interface of their libraries, are read or replaced to cut one, and no others:

==============================================  ==========================================================
``XGBModel._Booster``                           replaced by ``get_booster()[:n]``
``HistGradientBoosting*._predictors``           its first n entries
``Bagging*._seeds``                             its first n entries, from which ``estimators_samples_`` come
``LGBMModel._Booster``, ``_other_params``       the booster's first n rounds, and what ``set_params`` has set
==============================================  ==========================================================
"""

from __future__ import annotations

import numbers
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sklearn.pipeline import Pipeline

__all__ = ["RoundsPath", "is_seeded", "path_of"]

# Parameters of fit that leave the rounds as they are. evals_result() of an evaluation can be cut; LightGBM
# keeps the last round's scores besides.
_HARMLESS = frozenset({"sample_weight", "base_margin", "feature_weights", "group", "qid", "verbose"})
_EVALUATION = {"eval_set", "sample_weight_eval_set", "base_margin_eval_set", "eval_group", "eval_qid"}

# Parameters of XGBoost by which chance plays a part where they are not 1.
_XGBOOST_CHANCE = ("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode")

# Names under which LightGBM also takes the number of rounds, the kind of boosting, and when to stop.
_LIGHTGBM_OTHERS = {
    *("num_iterations", "num_iteration", "n_iter", "num_tree", "num_trees", "num_round", "num_rounds"),
    *("nrounds", "num_boost_round", "max_iter", "boosting", "boost"),
    *("early_stopping_round", "early_stopping_rounds", "early_stopping", "n_iter_no_change"),
}


@dataclass(frozen=True)
class RoundsPath:
    """How the candidates of one path are one fit.

    ``parameter`` is the number of rounds as ``set_params`` names it; ``rounds`` is its value; ``cut`` takes
    a fitted estimator of more rounds and a number, and returns the estimator that a fit of that number
    gives. It does not change the one that it takes.
    """

    parameter: str
    rounds: int
    cut: Callable[[Any, int], Any]


def path_of(estimator: Any, fit_params: Mapping[str, Any]) -> RoundsPath | None:
    """Return the path that an estimator is on, or None if it has to be fitted by itself.

    Parameters
    ----------
    estimator : estimator
        With the parameters of one candidate, not fitted. The last step of a Pipeline counts.
    fit_params : mapping
        What is passed to its ``fit``.
    """
    if type(estimator) is Pipeline:
        return _path_of_pipeline(estimator, fit_params)
    family = _FAMILIES.get(_qualified_name(estimator))
    if family is None or not family.harmless.issuperset(fit_params):
        return None
    parameters = estimator.get_params(deep=False)
    rounds = parameters[family.parameter]
    if not _is_whole(rounds) or rounds < 1 or not family.is_prefix(parameters):
        return None
    return RoundsPath(family.parameter, int(rounds), family.cut)


def is_seeded(estimator: Any) -> bool:
    """Return whether every ``random_state`` of an estimator and its parts is an integer, if it has any."""
    return all(
        _is_whole(value)
        for name, value in estimator.get_params(deep=True).items()
        if name.rpartition("__")[2] == "random_state"
    )


def _path_of_pipeline(pipeline: Pipeline, fit_params: Mapping[str, Any]) -> RoundsPath | None:
    name, last = pipeline.steps[-1]
    if last is None or isinstance(last, str):
        return None
    prefix = f"{name}__"
    own = {key.removeprefix(prefix): value for key, value in fit_params.items() if key.startswith(prefix)}
    # With metadata routing on, the step may have asked for a parameter without a prefix.
    others = {key: value for key, value in fit_params.items() if "__" not in key}
    path = path_of(last, {**others, **own})
    if path is None or not all(is_seeded(step) for _, step in pipeline.steps[:-1] if hasattr(step, "fit")):
        return None
    inner = path.cut

    def cut(fitted: Pipeline, rounds: int) -> Pipeline:
        *before, (last_name, last_step) = fitted.steps
        return _copy(fitted, steps=[*before, (last_name, inner(last_step, rounds))])

    return RoundsPath(prefix + path.parameter, path.rounds, cut)


@dataclass(frozen=True)
class _Family:
    parameter: str
    is_prefix: Callable[[Mapping[str, Any]], bool]
    cut: Callable[[Any, int], Any]
    harmless: frozenset[str] = _HARMLESS


def _qualified_name(estimator: Any) -> str:
    # By name and not by class: LightGBM need not be installed, and a subclass may do anything in its fit.
    return f"{type(estimator).__module__.split('.')[0]}.{type(estimator).__qualname__}"


def _copy(estimator: Any, **attributes: Any) -> Any:
    kind: Any = type(estimator)
    twin = kind.__new__(kind)
    twin.__dict__.update(estimator.__dict__, **attributes)
    return twin


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_seeded(parameters: Mapping[str, Any]) -> bool:
    return _is_whole(parameters["random_state"])


def _is_xgboost_prefix(parameters: Mapping[str, Any]) -> bool:
    # The defaults: None is 1 for the samplings, and gbtree for the booster. Its own default seed is 0, but a
    # caller who wants chance without a seed is not told apart from one who does not care.
    has_chance = any(parameters.get(name) not in (None, 1) for name in _XGBOOST_CHANCE)
    return (
        parameters.get("booster") in (None, "gbtree")
        and parameters.get("early_stopping_rounds") is None
        and not parameters.get("callbacks")
        # A function of the caller's may count its calls.
        and not callable(parameters.get("objective"))
        and not callable(parameters.get("eval_metric"))
        and not {"process_type", "updater"} & set(parameters)
        and (_is_seeded(parameters) or (parameters["random_state"] is None and not has_chance))
    )


def _cut_xgboost(fitted: Any, rounds: int) -> Any:
    attributes = {"n_estimators": rounds, "_Booster": fitted.get_booster()[:rounds]}
    if hasattr(fitted, "evals_result_"):
        attributes["evals_result_"] = {
            data: OrderedDict((metric, values[:rounds]) for metric, values in metrics.items())
            for data, metrics in fitted.evals_result_.items()
        }
    return _copy(fitted, **attributes)


def _is_lightgbm_prefix(parameters: Mapping[str, Any]) -> bool:
    return (
        parameters.get("boosting_type") == "gbdt"
        and not callable(parameters.get("objective"))
        # LightGBM has a fixed seed for each thing that chance decides where nobody sets one.
        and (_is_seeded(parameters) or parameters["random_state"] is None)
        and not _LIGHTGBM_OTHERS & set(parameters)
    )


def _cut_lightgbm(fitted: Any, rounds: int) -> Any:
    held = vars(fitted)
    booster = type(fitted.booster_)(model_str=fitted.booster_.model_to_string(num_iteration=rounds))
    attributes = {"n_estimators": rounds, "_Booster": booster}
    if "n_estimators" in held["_other_params"]:  # what set_params has set, once more
        attributes["_other_params"] = {**held["_other_params"], "n_estimators": rounds}
    return _copy(fitted, **attributes)


def _is_forest_prefix(parameters: Mapping[str, Any]) -> bool:
    return _is_seeded(parameters) and not parameters["warm_start"] and not parameters["oob_score"]


def _is_boosting_prefix(parameters: Mapping[str, Any]) -> bool:
    return _is_seeded(parameters) and not parameters["warm_start"] and parameters["n_iter_no_change"] is None


def _is_hist_boosting_prefix(parameters: Mapping[str, Any]) -> bool:
    return _is_seeded(parameters) and not parameters["warm_start"] and parameters["early_stopping"] is False


def _cutter(parameter: str, *lists: str, counts: Iterable[str] = ()) -> Callable[[Any, int], Any]:
    """Return a cut that keeps the first entries of these attributes, where the estimator has them."""

    def cut(fitted: Any, rounds: int) -> Any:
        held = fitted.__dict__
        attributes = {name: held[name][:rounds] for name in lists if name in held}
        attributes |= {name: rounds for name in counts if name in held}
        return _copy(fitted, **attributes, **{parameter: rounds})

    return cut


_XGBOOST = _Family("n_estimators", _is_xgboost_prefix, _cut_xgboost, _HARMLESS | _EVALUATION)
_LIGHTGBM = _Family("n_estimators", _is_lightgbm_prefix, _cut_lightgbm)
_FOREST = _Family("n_estimators", _is_forest_prefix, _cutter("n_estimators", "estimators_"))
_BOOSTING = _Family(
    "n_estimators",
    _is_boosting_prefix,
    _cutter(
        "n_estimators",
        "estimators_",
        "train_score_",
        "oob_improvement_",
        "oob_scores_",
        counts=["n_estimators_"],
    ),
)
_HIST_BOOSTING = _Family("max_iter", _is_hist_boosting_prefix, _cutter("max_iter", "_predictors"))
_ADA = _Family(
    "n_estimators",
    _is_seeded,
    _cutter("n_estimators", "estimators_", "estimator_weights_", "estimator_errors_"),
)
_BAGGING = _Family(
    "n_estimators",
    _is_forest_prefix,
    _cutter("n_estimators", "estimators_", "estimators_features_", "_seeds"),
)

_FAMILIES = {
    "xgboost.XGBClassifier": _XGBOOST,
    "xgboost.XGBRegressor": _XGBOOST,
    "xgboost.XGBRanker": _XGBOOST,
    "lightgbm.LGBMClassifier": _LIGHTGBM,
    "lightgbm.LGBMRegressor": _LIGHTGBM,
    "lightgbm.LGBMRanker": _LIGHTGBM,
    "sklearn.RandomForestClassifier": _FOREST,
    "sklearn.RandomForestRegressor": _FOREST,
    "sklearn.ExtraTreesClassifier": _FOREST,
    "sklearn.ExtraTreesRegressor": _FOREST,
    "sklearn.GradientBoostingClassifier": _BOOSTING,
    "sklearn.GradientBoostingRegressor": _BOOSTING,
    "sklearn.HistGradientBoostingClassifier": _HIST_BOOSTING,
    "sklearn.HistGradientBoostingRegressor": _HIST_BOOSTING,
    "sklearn.AdaBoostClassifier": _ADA,
    "sklearn.AdaBoostRegressor": _ADA,
    "sklearn.BaggingClassifier": _BAGGING,
    "sklearn.BaggingRegressor": _BAGGING,
}
