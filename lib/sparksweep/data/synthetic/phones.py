"""Which phone each device is: brands, models, and the rows that name a device twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sparksweep.data.synthetic.names import BRANDS, brand_series
from sparksweep.data.synthetic.people import People, draw, weights_of_groups
from sparksweep.data.synthetic.shape import Shape, apportion

__all__ = ["Phones", "draw_phones"]

# How much the groups differ in brands and in models: with it the devices without events, of which nothing
# else is known, have a log loss of 2.38, near the 2.39 of the competition.
_BRAND_STRENGTH = 0.15
_MODEL_STRENGTH = 0.20

# Percent of the devices that the most common brands have in the competition.
_COMMON_BRANDS = (23.0, 18.5, 17.5, 6.5, 6.2, 5.1, 3.4, 2.7)
# Models whose name another brand uses too: 1,667 phones have 1,599 names in the competition.
_SHARED_NAMES = 68 / 1_599


@dataclass(frozen=True)
class Phones:
    """The rows of ``phone_brand_device_model``.

    Attributes
    ----------
    device_ids : int64 array of shape (n,)
    brands, models : arrays of str, of shape (n,)
    """

    device_ids: npt.NDArray[np.int64]
    brands: npt.NDArray[np.str_]
    models: npt.NDArray[np.str_]


def draw_phones(shape: Shape, people: People, rng: np.random.Generator) -> Phones:
    """Give each training and test device a phone, and name some devices once more."""
    n_devices = people.n_train + people.n_test
    brands, models, popularity = _catalogue(shape, rng)
    phones = _choose(brands, popularity, people.groups[:n_devices], rng)
    again = rng.permutation(n_devices)[: shape.repeated_phones]
    step = rng.integers(1, len(brands), size=shape.contradicting_phones)
    step = np.concatenate([step, np.zeros(len(again) - len(step), dtype=np.int64)])
    order = rng.permutation(shape.phone_rows)
    devices = np.concatenate([np.arange(n_devices), again])[order]
    rows = np.concatenate([phones, (phones[again] + step) % len(brands)])[order]
    return Phones(people.ids[devices], np.array(BRANDS)[brands[rows]], models[rows])


def _catalogue(
    shape: Shape, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.str_], npt.NDArray[np.float64]]:
    """Return brand (a place in BRANDS), model name and popularity of each phone that is sold."""
    share = _brand_shares(shape.brands)
    n_models = apportion(shape.models, share**0.6, at_least=1)
    brands = np.repeat(np.arange(shape.brands), n_models)
    place = np.concatenate([np.arange(n) for n in n_models])
    names = np.array(
        [_model_name(brand, n) for brand, n in zip(brands.tolist(), place.tolist(), strict=True)]
    )
    popularity = 1.0 / (place + 2.0)
    popularity *= (share / np.bincount(brands, weights=popularity))[brands]
    shared = rng.permutation(len(brands))[: round(len(brands) * _SHARED_NAMES)]
    other = (brands[shared] + 1 + rng.integers(shape.brands - 1, size=len(shared))) % shape.brands
    return (
        np.concatenate([brands, other]),
        np.concatenate([names, names[shared]]),
        np.concatenate([popularity, np.full(len(shared), popularity.min())]),
    )


def _choose(
    brands: npt.NDArray[np.int64],
    popularity: npt.NDArray[np.float64],
    groups: npt.NDArray[np.int8],
    rng: np.random.Generator,
) -> npt.NDArray[np.int64]:
    of_brand = weights_of_groups(np.ones(brands.max() + 1), _BRAND_STRENGTH, rng)[:, brands]
    weights = of_brand * weights_of_groups(popularity, _MODEL_STRENGTH, rng)
    phones = draw(weights, groups, rng)
    # Every phone of the catalogue is somebody's.
    phones[rng.permutation(len(groups))[: len(brands)]] = np.arange(len(brands))
    return phones


def _brand_shares(n_brands: int) -> npt.NDArray[np.float64]:
    rest = 1.0 / np.arange(3, max(n_brands, 9)) ** 1.3
    rest *= (100.0 - sum(_COMMON_BRANDS)) / rest.sum()
    share = np.concatenate([_COMMON_BRANDS, rest])[:n_brands]
    return np.asarray(share / share.sum())


def _model_name(brand: int, place: int) -> str:
    series = brand_series(brand)
    return f"{series[place % len(series)]}{1 + place // len(series)}"
