"""How much of everything a dataset has: the published numbers of the competition, times the scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sparksweep.errors import ConfigError

__all__ = ["LARGEST_SCALE", "SMALLEST_SCALE", "Shape", "apportion"]

# Below it a class of the training devices has fewer members than the five folds of the jobs.
SMALLEST_SCALE = 0.002
# Here the arrays of the events take some 3 GB of memory.
LARGEST_SCALE = 10.0


@dataclass(frozen=True)
class Shape:
    """The counts of a dataset at a scale; at scale 1 those of the competition.

    What counts devices, their events or their rows grows in proportion to the scale. What is a vocabulary
    (brands, models, apps and so the rows that give apps their labels) grows with the square root of the
    scale, as the number of distinct words grows with a text, and stays as published above scale 1. The
    labels and the groups are always all there.

    Raises
    ------
    ConfigError
        If the scale is not in ``SMALLEST_SCALE`` to ``LARGEST_SCALE``.
    """

    scale: float

    def __post_init__(self) -> None:
        if not SMALLEST_SCALE <= self.scale <= LARGEST_SCALE:
            raise ConfigError(
                f"scale={self.scale:g}: a dataset can be written at a scale from {SMALLEST_SCALE:g} "
                f"to {LARGEST_SCALE:g}; scale 1 is the size of the competition"
            )

    @property
    def train_devices(self) -> int:
        """Rows of ``gender_age_train``."""
        return self._proportional(74_645)

    @property
    def test_devices(self) -> int:
        """Rows of ``gender_age_test``."""
        return self._proportional(112_071)

    @property
    def train_devices_with_events(self) -> int:
        """31 % of the training devices."""
        return self._proportional(23_309)

    @property
    def test_devices_with_events(self) -> int:
        """31 % of the test devices."""
        return self._proportional(35_194)

    @property
    def stranger_devices(self) -> int:
        """Devices that have events and stand in neither device file."""
        return self._proportional(2_362)

    @property
    def repeated_phones(self) -> int:
        """Rows of ``phone_brand_device_model`` beyond one a device."""
        return max(2, self._proportional(529))

    @property
    def contradicting_phones(self) -> int:
        """Those of the repeated rows that name another phone."""
        return max(1, self._proportional(6))

    @property
    def phone_rows(self) -> int:
        """Rows of ``phone_brand_device_model``."""
        return self.train_devices + self.test_devices + self.repeated_phones

    @property
    def brands(self) -> int:
        """Distinct phone brands."""
        return self._vocabulary(131)

    @property
    def models(self) -> int:
        """Distinct names of device models."""
        return self._vocabulary(1_599)

    @property
    def events(self) -> int:
        """Rows of ``events``."""
        return self._proportional(3_252_950)

    @property
    def app_event_rows(self) -> int:
        """Rows of ``app_events``."""
        return self._proportional(32_473_067)

    @property
    def apps_in_use(self) -> int:
        """Distinct apps in ``app_events``."""
        return self._vocabulary(19_237)

    @property
    def labelled_apps(self) -> int:
        """Distinct apps in ``app_labels``, the ones in use among them."""
        return self._vocabulary(113_211)

    @property
    def app_label_rows(self) -> int:
        """Rows of ``app_labels``."""
        return self._vocabulary(459_943)

    @property
    def labels(self) -> int:
        """Rows of ``label_categories``."""
        return 930

    @property
    def rows(self) -> dict[str, int]:
        """The rows of each of the seven tables."""
        return {
            "gender_age_train": self.train_devices,
            "gender_age_test": self.test_devices,
            "phone_brand_device_model": self.phone_rows,
            "events": self.events,
            "app_events": self.app_event_rows,
            "app_labels": self.app_label_rows,
            "label_categories": self.labels,
        }

    def _proportional(self, published: int) -> int:
        return math.floor(published * self.scale + 0.5)

    def _vocabulary(self, published: int) -> int:
        return math.floor(published * math.sqrt(min(self.scale, 1.0)) + 0.5)


def apportion(
    total: int, weights: Sequence[float] | npt.NDArray[np.float64], at_least: int = 0
) -> npt.NDArray[np.int64]:
    """Split a whole number in proportion to weights, by the largest remainders.

    Parameters
    ----------
    total : int
    weights : array of shape (n,)
        Positive.
    at_least : int
        What each share has before the rest is split.

    Returns
    -------
    int64 array of shape (n,)
        Its sum is ``total``.
    """
    weights = np.asarray(weights, dtype=np.float64)
    free = total - at_least * len(weights)
    ideal = weights / weights.sum() * free
    shares: npt.NDArray[np.int64] = np.floor(ideal).astype(np.int64)
    left = free - int(shares.sum())
    shares[np.argsort(shares - ideal, kind="stable")[:left]] += 1
    shares += at_least
    return shares
