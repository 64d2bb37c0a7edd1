"""XGBoost's quantised matrix of a fold is built once for all fits that it serves.

``hist`` begins every fit with sorting the values of each feature into bins. Fits on the same rows with the
same ``max_bin``, labels and weights need the same matrix, and one that was used before gives the same model
to the last bit. It is handed to an estimator in the place of its ``_create_dmatrix`` (``_create_ltr_dmatrix``
of a ranker), which is no part of XGBoost's public interface: where it is missing, every fit builds its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scipy import sparse
from sklearn.pipeline import Pipeline

from sparksweep.search.kept import Kept, content_key, nbytes

__all__ = ["shared_quantiles"]

# By which method each kind makes its matrix.
_METHODS = {
    "XGBClassifier": "_create_dmatrix",
    "XGBRegressor": "_create_dmatrix",
    "XGBRanker": "_create_ltr_dmatrix",
}


# Of a sparse matrix: the bin, and by columns once more with the row.
_BYTES_A_VALUE = 20


@contextmanager
def shared_quantiles(estimator: Any, kept: Kept) -> Iterator[None]:
    """Let an XGBoost estimator, or one at a pipeline's end, take its training matrix from ``kept``."""
    model = estimator.steps[-1][1] if type(estimator) is Pipeline else estimator
    if not _can_share(model):
        yield
        return
    method = _METHODS[type(model).__qualname__]
    create = getattr(model, method)

    def create_or_take(ref: Any = None, **content: Any) -> Any:
        data = content.get("data")
        known = kept.name_of(data)
        if ref is not None or known is None:
            return create(ref=ref, **content)
        rest = content_key({name: value for name, value in content.items() if name != "data"})
        if rest is None:
            return create(ref=ref, **content)
        shape = (model.max_bin, model.n_jobs, model.device)
        key = ("quantised", known, shape, rest)
        return kept.get(key, _quantised_bytes(data), lambda: create(ref=ref, **content))

    setattr(model, method, create_or_take)
    try:
        yield
    finally:
        delattr(model, method)


def _quantised_bytes(data: Any) -> int:
    """Return about how many bytes the matrix takes, as measured; of an array it takes less than that."""
    return _BYTES_A_VALUE * int(data.nnz) if sparse.issparse(data) else nbytes(data)


def _can_share(model: Any) -> bool:
    kind = type(model)
    if kind.__module__.partition(".")[0] != "xgboost" or kind.__qualname__ not in _METHODS:
        return False
    # XGBoost itself builds a quantised matrix in these cases only. Parameters that are not its estimator's
    # own may shape the matrix in ways that are not known here.
    return (
        model.tree_method in ("hist", "auto", None)
        and model.booster in (None, "gbtree", "dart")
        and not getattr(model, "kwargs", None)
        and hasattr(model, _METHODS[kind.__qualname__])
    )
