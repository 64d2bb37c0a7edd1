"""When and where the active devices report, and which apps their events list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from sparksweep.data.synthetic.apps import Installed
from sparksweep.data.synthetic.people import draw, traits_of_groups
from sparksweep.data.synthetic.shape import Shape, apportion

__all__ = ["Events", "Listings", "draw_events", "draw_listings", "list_apps"]

# How much the groups differ in the hours of their events.
_HOUR_STRENGTH = 0.2

# 2016-05-01 00:00:00 UTC, a Sunday, in seconds since 1970.
_FIRST_SECOND = 1_462_060_800
_DAYS = 7
# Percent of the events by hour of the day: people get up at six, and few are awake from one to five.
_HOURS = (
    2.6, 1.7, 1.3, 1.1, 1.3, 2.2, 3.7, 4.9, 5.3, 5.5, 5.9, 5.6,
    5.5, 5.3, 5.0, 5.0, 4.9, 4.8, 4.9, 5.2, 5.4, 5.6, 5.0, 4.3,
)  # fmt: skip
# An event reaches the server up to this many seconds late, and the server numbers the events.
_DELAY = 1_800.0

# Spread of the number of events a device, in logarithms: a median of 13 goes with a mean of 53.
_SPREAD_OF_EVENTS = 1.68

# Longitude, latitude and weight of the homes.
_CITIES = (
    (121.47, 31.23, 9), (116.40, 39.90, 9), (113.26, 23.13, 8), (114.06, 22.54, 7), (104.07, 30.57, 6),
    (106.55, 29.56, 6), (120.16, 30.27, 5), (114.31, 30.59, 5), (108.94, 34.34, 5), (118.80, 32.06, 5),
    (117.20, 39.08, 4), (113.63, 34.75, 5), (112.94, 28.23, 4), (123.43, 41.80, 4), (120.38, 36.07, 4),
    (117.00, 36.65, 4), (119.30, 26.08, 3), (126.53, 45.80, 3), (102.83, 24.88, 3), (108.37, 22.82, 3),
    (115.86, 28.68, 3), (87.62, 43.83, 1), (112.55, 37.87, 3), (106.63, 26.65, 2),
)  # fmt: skip
# Devices that never say where they are, and events of the others that do not: (0, 0).
_DEVICES_WITHOUT_PLACE, _EVENTS_WITHOUT_PLACE = 0.25, 0.08

# The share of its apps that an event lists. The first event of a device that lists any lists all of them.
_LEAST_LISTED, _MOST_LISTED = 0.6, 0.9
# Apps are open with a probability of their own, 0.4 on average.
_LEAST_ACTIVE, _MOST_ACTIVE = 0.1, 0.7
# Candidates for rows of app_events that are in memory at once.
_ROWS_AT_ONCE = 500_000


@dataclass(frozen=True)
class Events:
    """The rows of ``events``; event ``n`` has the id ``n + 1``.

    Attributes
    ----------
    devices : int32 array of shape (n,)
        Places among the active devices.
    seconds : int64 array of shape (n,)
        Since 1970, UTC.
    longitudes, latitudes : int16 arrays of shape (n,)
        In hundredths of a degree; 0 and 0 where the place is unknown.
    """

    devices: npt.NDArray[np.int32]
    seconds: npt.NDArray[np.int64]
    longitudes: npt.NDArray[np.int16]
    latitudes: npt.NDArray[np.int16]


@dataclass(frozen=True)
class Listings:
    """Rows of ``app_events``, some at a time, sorted by event: arrays of shape (n,).

    ``apps`` are places in :attr:`~sparksweep.data.synthetic.apps.Apps.ids`.
    """

    event_ids: npt.NDArray[np.int64]
    apps: npt.NDArray[np.int32]
    is_active: npt.NDArray[np.int8]


def draw_events(shape: Shape, users: npt.NDArray[np.int8], rng: np.random.Generator) -> Events:
    """Draw the events. ``users`` are the groups whose habits the active devices show."""
    quantiles = (rng.permutation(len(users)) + 0.5) / len(users)
    counts = apportion(shape.events, np.exp(_SPREAD_OF_EVENTS * ndtri(quantiles)), at_least=1)
    devices = np.repeat(np.arange(len(users), dtype=np.int32), counts)
    hours = draw(_hours_of_groups(), users[devices], rng)
    # People live up to an hour earlier or later than their group.
    shift = rng.integers(-1, 2, size=len(users))
    hours = hours // 24 * 24 + (hours + shift[devices]) % 24
    seconds = hours * 3600 + (rng.random(shape.events) * 3600).astype(np.int64)
    order = np.argsort(seconds + rng.random(shape.events) * _DELAY, kind="stable")
    longitudes, latitudes = _places(devices, len(users), rng)
    return Events(devices[order], _FIRST_SECOND + seconds[order], longitudes[order], latitudes[order])


def draw_listings(
    shape: Shape, events: Events, installed: Installed, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return how many apps each event lists; the sum is the number of rows of ``app_events``.

    First comes one event of each device, then others in random order until the rows are there.
    """
    order = rng.permutation(len(events.devices))
    firsts = np.unique(events.devices[order], return_index=True)[1]
    size = installed.sizes[events.devices[order]]
    share = _LEAST_LISTED + (_MOST_LISTED - _LEAST_LISTED) * rng.random(len(order))
    rows = np.maximum(np.rint(size * share).astype(np.int64), 1)
    rows[firsts] = size[firsts]
    by_turn = np.concatenate([firsts, np.delete(np.arange(len(order)), firsts)])
    cumulated = np.cumsum(rows[by_turn])
    n_listing = int(np.searchsorted(cumulated, shape.app_event_rows, side="right"))
    missing = shape.app_event_rows - int(cumulated[n_listing - 1])
    rows[by_turn[n_listing:]] = 0
    can_list_more = np.flatnonzero((rows > 0) & (rows < size))
    rows[can_list_more[:missing]] += 1
    listed = np.empty_like(rows)
    listed[order] = rows
    return listed


def list_apps(
    events: Events,
    listed: npt.NDArray[np.int64],
    installed: Installed,
    n_apps: int,
    rng: np.random.Generator,
) -> Iterator[Listings]:
    """Yield which apps the events list, and whether each is open."""
    is_open = _LEAST_ACTIVE + (_MOST_ACTIVE - _LEAST_ACTIVE) * rng.random(n_apps)
    listing = np.flatnonzero(listed)
    candidates = np.cumsum(installed.sizes[events.devices[listing]])
    pieces = np.searchsorted(candidates, np.arange(_ROWS_AT_ONCE, candidates[-1], _ROWS_AT_ONCE))
    for event in np.split(listing, pieces):
        device = events.devices[event]
        size = installed.sizes[device]
        place = np.repeat(np.arange(len(event)), size)
        rank = np.arange(len(place)) - np.repeat(np.cumsum(size) - size, size)
        candidate = installed.apps[np.repeat(installed.starts[device], size) + rank]
        # A random order within each event, of which the first apps are listed.
        shuffled = np.argsort(place + rng.random(len(place)), kind="stable")
        chosen = shuffled[rank < np.repeat(listed[event], size)]
        app = candidate[chosen]
        is_active = rng.random(len(app)) < is_open[app]
        yield Listings(event[place[chosen]] + 1, app, is_active.astype(np.int8))


def _hours_of_groups() -> npt.NDArray[np.float64]:
    """Return (12, 168): how often each group is active in each hour of the seven days."""
    hour = np.arange(24 * _DAYS)
    angle = 2.0 * np.pi * (hour % 24) / 24.0
    is_weekend = np.isin(hour // 24, (0, 6))
    # The young are up late, men in the middle of the day, and those of middle age on working days.
    habits = np.stack(
        [
            np.cos(2.0 * (angle - 2.0 * np.pi * 13 / 24.0)),
            np.cos(angle - 2.0 * np.pi * 8 / 24.0),
            np.where(is_weekend, -1.0, 0.4),
        ]
    )
    liking = np.exp(_HOUR_STRENGTH * (traits_of_groups() @ habits))
    weights: npt.NDArray[np.float64] = np.tile(_HOURS, _DAYS) * liking
    return weights


def _places(
    devices: npt.NDArray[np.int32], n_devices: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    cities = np.array(_CITIES)
    city = draw(cities[None, :, 2], np.zeros(n_devices, dtype=np.int8), rng)
    home = cities[city, :2] + rng.random((n_devices, 2)) - 0.5
    chance = np.where(rng.random(n_devices) < _DEVICES_WITHOUT_PLACE, 1.0, _EVENTS_WITHOUT_PLACE)
    is_known = rng.random(len(devices)) >= chance[devices]
    longitudes, latitudes = (
        np.where(is_known, np.rint(100.0 * (axis[devices] + 0.1 * rng.random(len(devices)))), 0.0)
        for axis in home.T
    )
    return longitudes.astype(np.int16), latitudes.astype(np.int16)
