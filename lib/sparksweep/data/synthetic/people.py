"""Who owns the devices: ids, groups, ages, and how the twelve groups differ in what they like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sparksweep.data.synthetic.shape import Shape, apportion

__all__ = [
    "GROUPS",
    "People",
    "draw",
    "draw_people",
    "traits_of_groups",
    "unique_ids",
    "users_of",
    "weights_of_groups",
]

# Training devices of each group in the competition.
GROUPS = {
    "F23-": 5_050,
    "F24-26": 4_190,
    "F27-28": 3_118,
    "F29-32": 4_628,
    "F33-42": 5_561,
    "F43+": 4_194,
    "M22-": 7_488,
    "M23-26": 9_605,
    "M27-28": 5_445,
    "M29-31": 7_309,
    "M32-38": 9_476,
    "M39+": 8_581,
}
_YOUNGEST, _OLDEST = 14, 75
_AGE_RANGES = {
    "F23-": (_YOUNGEST, 23),
    "F24-26": (24, 26),
    "F27-28": (27, 28),
    "F29-32": (29, 32),
    "F33-42": (33, 42),
    "F43+": (43, _OLDEST),
    "M22-": (_YOUNGEST, 22),
    "M23-26": (23, 26),
    "M27-28": (27, 28),
    "M29-31": (29, 31),
    "M32-38": (32, 38),
    "M39+": (39, _OLDEST),
}

# Families share phones, and some people of 28 live as those of 25 do: a device shows the tastes of its
# owner's group or of another one, with a probability that falls with the distance in age and is this many
# times smaller for the other gender. Who knew the tastes exactly would have a log loss of 1.82, so that it
# bounds what can be learned of a device, however many events it has.
_BLUR_OF_AGE = 0.7
_OTHER_GENDER = 0.25


@dataclass(frozen=True)
class People:
    """The devices, first the training ones, then the test ones, then strangers that only have events.

    Attributes
    ----------
    ids : int64 array of shape (n,)
    groups : int8 array of shape (n,)
        Places in :data:`GROUPS`.
    ages : int64 array of shape (n,)
        In years.
    active : int64 array
        Places of the devices that have events.
    n_train, n_test : int
    """

    ids: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int8]
    ages: npt.NDArray[np.int64]
    active: npt.NDArray[np.int64]
    n_train: int
    n_test: int


def draw_people(shape: Shape, rng: np.random.Generator) -> People:
    """Draw the devices of a dataset. Training and test devices have the published shares of the groups."""
    n_train, n_test, n_strangers = shape.train_devices, shape.test_devices, shape.stranger_devices
    groups = np.concatenate([_groups(n, rng) for n in (n_train, n_test, n_strangers)])
    active = np.concatenate(
        [
            np.sort(rng.permutation(n_train)[: shape.train_devices_with_events]),
            np.sort(rng.permutation(n_test)[: shape.test_devices_with_events]) + n_train,
            np.arange(n_train + n_test, len(groups)),
        ]
    )
    return People(unique_ids(len(groups), rng), groups, _ages(groups, rng), active, n_train, n_test)


def users_of(owners: npt.NDArray[np.int8], rng: np.random.Generator) -> npt.NDArray[np.int8]:
    """Return the group whose tastes each device shows, given the group of its owner."""
    traits = traits_of_groups()
    apart = np.abs(traits[:, 1, None] - traits[None, :, 1])
    same_gender = traits[:, 0, None] == traits[None, :, 0]
    probability = np.exp(-apart / _BLUR_OF_AGE) * np.where(same_gender, 1.0, _OTHER_GENDER)
    return draw(probability, owners, rng).astype(np.int8)


def weights_of_groups(
    popularity: npt.NDArray[np.float64], strength: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return how often each group chooses each thing.

    Every thing gets a random preference for a gender and for an age.

    Parameters
    ----------
    popularity : array of shape (n,)
        How often everybody chooses it.
    strength : float
        The standard deviation of the preferences, in logarithms.

    Returns
    -------
    array of shape (12, n)
    """
    preferences = rng.standard_normal((3, len(popularity)))
    weights: npt.NDArray[np.float64] = popularity * np.exp(strength * (traits_of_groups() @ preferences))
    return weights


def draw(
    weights: npt.NDArray[np.float64], groups: npt.NDArray[np.int8], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Choose one thing for each member: ``weights`` is (12, things), ``groups`` (members,)."""
    uniform = rng.random(len(groups))
    chosen = np.empty(len(groups), dtype=np.int64)
    for group, row in enumerate(weights):
        members = np.flatnonzero(groups == group)
        cumulated = np.cumsum(row)
        chosen[members] = np.searchsorted(cumulated / cumulated[-1], uniform[members], side="right")
    return chosen


def unique_ids(n: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw different signed 64-bit numbers, as devices and apps are named."""
    limits = np.iinfo(np.int64)
    # The few more make up for a number that comes twice.
    some_more = rng.integers(limits.min, limits.max, size=n + 16, dtype=np.int64)
    return rng.permutation(np.unique(some_more))[:n]


def _groups(n: int, rng: np.random.Generator) -> npt.NDArray[np.int8]:
    members = apportion(n, list(GROUPS.values()))
    return rng.permutation(np.repeat(np.arange(len(GROUPS), dtype=np.int8), members))


def _ages(groups: npt.NDArray[np.int8], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    years = np.arange(_OLDEST + 1)
    density = np.exp(-0.5 * (np.log(np.maximum(years, 1) / 29.0) / 0.33) ** 2)
    weights = np.array([density * (years >= low) * (years <= high) for low, high in _AGE_RANGES.values()])
    return draw(weights, groups, rng)


def traits_of_groups() -> npt.NDArray[np.float64]:
    """Return (12, 3): gender, age and being of middle age, each with mean 0 and size 1, or about so."""
    gender = np.array([1.0 if name.startswith("M") else -1.0 for name in GROUPS])
    typical = np.array([20, 25, 27.5, 30.5, 36.5, 49, 19.5, 24.5, 27.5, 30, 34.5, 46])
    age = np.log(typical / 29.0) / 0.28
    return np.column_stack([gender, age, 1.0 - age**2])
