"""Which columns there can be, and what the small tables say of apps and labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from sparksweep.data import Tables
from sparksweep.errors import ConfigError
from sparksweep.features.relation import Relation

__all__ = ["FAMILIES", "Value", "Vocabulary", "check_families", "read_vocabulary", "unused_tables"]

Value = Literal["fraction", "indicator"]

# In the order in which their columns stand in the matrix.
FAMILIES = ("brand_model", "weekday", "hour", "weekday_hour", "app", "label", "category", "word")

_HOURS = [f"{day}-{hour}" for day in range(7) for hour in range(24)]


@dataclass(frozen=True)
class Vocabulary:
    """The codes of everything that can be a feature, each kind sorted, and how apps lead to words.

    Attributes
    ----------
    families : mapping of family to value
        The families that are on.
    brands, models : tuple of str
    apps, labels : int64 array
    categories, words : tuple of str
    labels_of_app, categories_of_label, words_of_label : Relation
        Between codes: places in the arrays and tuples above.
    """

    families: Mapping[str, Value]
    brands: tuple[str, ...]
    models: tuple[str, ...]
    apps: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    categories: tuple[str, ...]
    words: tuple[str, ...]
    labels_of_app: Relation
    categories_of_label: Relation
    words_of_label: Relation

    @property
    def names(self) -> tuple[str, ...]:
        """The columns: the families in their order, and by number or by code points within."""
        return tuple(f"{prefix}:{name}" for prefix, names in self._columns.items() for name in names)

    def size(self, prefix: str) -> int:
        """Return how many features there are whose names begin with a prefix; 0 if the family is off."""
        return len(self._columns.get(prefix, ()))

    @cached_property
    def _columns(self) -> Mapping[str, Sequence[object] | npt.NDArray[np.int64]]:
        columns: dict[str, Sequence[object] | npt.NDArray[np.int64]] = {
            "phone_brand": self.brands,
            "device_model": self.models,
            "weekday": range(7),
            "hour": range(24),
            "weekday_hour": _HOURS,
            "app": self.apps,
            "label": self.labels,
            "category": self.categories,
            "word": self.words,
        }
        family = {"phone_brand": "brand_model", "device_model": "brand_model"}
        return {
            prefix: names for prefix, names in columns.items() if family.get(prefix, prefix) in self.families
        }


def check_families(families: Mapping[str, Value]) -> None:
    """Raise a ConfigError if a family or a value is unknown, or no family is on."""
    if not families:
        raise ConfigError(f"No feature family is on: choose at least one of {', '.join(FAMILIES)}")
    for family, value in families.items():
        if family not in FAMILIES:
            raise ConfigError(f"There is no feature family {family!r}: choose out of {', '.join(FAMILIES)}")
        if value not in ("fraction", "indicator"):
            raise ConfigError(
                f"The value of feature family {family} is {value!r}: it must be 'fraction' or 'indicator'"
            )


def unused_tables(families: Iterable[str]) -> tuple[str, ...]:
    """Return the tables that some families can do without."""
    families = set(families)
    unused = [] if "brand_model" in families else ["phone_brand_device_model"]
    if not families & {"label", "category", "word"}:
        unused += ["app_labels", "label_categories"]
        if "app" not in families:
            unused += ["app_events"]
            if not families & {"weekday", "hour", "weekday_hour"}:
                unused += ["events"]
    return tuple(unused)


def read_vocabulary(tables: Tables, families: Mapping[str, Value]) -> Vocabulary:
    """Take from the tables what there is, without a look at the events.

    Raises
    ------
    ConfigError
        As :func:`check_families` does.
    """
    check_families(families)
    phones = tables.phone_brand_device_model
    brands, models = (
        tuple(sorted(set(phones[column]) - {""})) if "brand_model" in families else ()
        for column in ("phone_brand", "device_model")
    )
    app, label = (tables.app_labels[column].to_numpy(np.int64) for column in ("app_id", "label_id"))
    labels = np.unique(label)
    listed = np.array(tables.summaries["app_events"].apps, np.int64)
    apps = listed if "app" in families else np.intersect1d(listed, app)
    known = np.isin(app, apps)
    named = tables.label_categories
    named = named[np.isin(named["label_id"], labels)]
    category = named["category"].map(_cleaned)
    of_label = np.searchsorted(labels, named["label_id"].to_numpy(np.int64))
    categories, to_categories = _named(of_label, category.map(lambda name: [name]), len(labels))
    words, to_words = _named(of_label, category.str.split(), len(labels))
    return Vocabulary(
        families,
        brands,
        models,
        apps,
        labels,
        categories,
        words,
        Relation.of(np.searchsorted(apps, app[known]), np.searchsorted(labels, label[known]), len(apps)),
        to_categories,
        to_words,
    )


def _named(
    left: npt.NDArray[np.int64], names: pd.Series[list[str]], size: int
) -> tuple[tuple[str, ...], Relation]:
    """Return all names, and which of them stand with each left code."""
    known = tuple(sorted({name for some in names for name in some}))
    codes = {name: code for code, name in enumerate(known)}
    right = np.array([codes[name] for some in names for name in some], np.int64)
    return known, Relation.of(np.repeat(left, names.map(len).to_numpy(np.int64)), right, size)


def _cleaned(category: str) -> str:
    """Return a category name in lower case, ``game-`` as ``game ``, each of ``( ) _ /`` as a space.

    Then spaces at the ends go and several in a row become one. Where nothing is left, it is ``missing``.
    """
    spaced = re.sub(r"[()_/\s]+", " ", category.lower().replace("game-", "game "))
    return spaced.strip() or "missing"
