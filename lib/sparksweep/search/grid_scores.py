"""``grid_scores_``: the candidates and their scores as scikit-learn had them until 0.19."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["GridScore", "grid_scores"]


@dataclass(frozen=True)
class GridScore:
    """One candidate and its test scores, one a fold."""

    parameters: dict[str, Any]
    mean_validation_score: float
    cv_validation_scores: npt.NDArray[np.float64]

    def __repr__(self) -> str:
        """Return the line that scikit-learn printed."""
        std = np.std(self.cv_validation_scores)
        return f"mean: {self.mean_validation_score:.5f}, std: {std:.5f}, params: {self.parameters}"


def grid_scores(cv_results: Mapping[str, Any], n_splits: int, metric: str = "score") -> list[GridScore]:
    """Return one item a candidate, in the order of ``cv_results``.

    Parameters
    ----------
    cv_results : mapping
        ``cv_results_`` of a search.
    n_splits : int
    metric : str
        The name in its keys; "score" where there is only one.
    """
    scores = np.column_stack([cv_results[f"split{fold}_test_{metric}"] for fold in range(n_splits)])
    means = cv_results[f"mean_test_{metric}"].tolist()
    return [GridScore(*items) for items in zip(cv_results["params"], means, scores, strict=True)]
