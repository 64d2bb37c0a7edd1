"""When a device is active: the weekdays, the hours, and the hours of the week of its events, in UTC."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sparksweep.features.event_sets import EventSets

__all__ = ["activity"]


def activity(
    family: str,
    device: npt.NDArray[np.int64],
    number: npt.NDArray[np.int64],
    hour_of_week: npt.NDArray[np.int64],
) -> EventSets:
    """Return which events of a device fall into each weekday, hour, or hour of the week.

    Parameters
    ----------
    family : str
        ``weekday`` (``weekday:0`` is Monday), ``hour`` (``hour:13`` is 13:00 to 13:59) or ``weekday_hour``
        (``weekday_hour:0-13``).
    device, number : int64 array
        The device of each event, and the event's place among those of the device. An event that is there
        twice with two times counts in both hours.
    hour_of_week : int64 array
        From 0, Monday 00:00 to 00:59, to 167.
    """
    code, codes = {
        "weekday": (hour_of_week // 24, 7),
        "hour": (hour_of_week % 24, 24),
        "weekday_hour": (hour_of_week, 168),
    }[family]
    return EventSets.of(device, number, 1, code, codes)
