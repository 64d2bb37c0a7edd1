"""The eight families once more, row by row in plain Python, and random tables as dirty as the world."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

Rows = Mapping[str, Sequence[tuple]]

ORDER = {
    "brand_model": ("phone_brand", "device_model"),
    **{
        family: (family,)
        for family in ("weekday", "hour", "weekday_hour", "app", "label", "category", "word")
    },
}


def features_by_hand(tables: Rows, families: Mapping[str, str]) -> dict[tuple[int, str], np.float32]:
    """Return {(device, feature): value} of all devices of the two device files."""
    devices = {row[0] for name in ("gender_age_train", "gender_age_test") for row in tables[name]}
    events_of_device, devices_of_event = defaultdict(set), defaultdict(set)
    having = defaultdict(set)  # (device, family, feature) -> the events that had it
    for event, device, time, *_ in tables["events"]:
        if event == "" or device not in devices:
            continue
        events_of_device[device].add(event)
        devices_of_event[event].add(device)
        if time:
            at = datetime.fromisoformat(time)
            having[device, "weekday", f"weekday:{at.weekday()}"].add(event)
            having[device, "hour", f"hour:{at.hour}"].add(event)
            having[device, "weekday_hour", f"weekday_hour:{at.weekday()}-{at.hour}"].add(event)
    for event, app, *_ in tables["app_events"]:
        for device in devices_of_event[event]:
            for family, feature in _of_app(app, tables):
                having[device, family, feature].add(event)
    values = {}
    for (device, family, feature), events in having.items():
        if family in families:
            share = len(events) / len(events_of_device[device])
            is_indicator = family == "word" or families[family] == "indicator"
            values[device, feature] = np.float32(1 if is_indicator else share)
    if "brand_model" in families:
        for device, brand, model in reversed(tables["phone_brand_device_model"]):
            if device in devices:
                for feature in [
                    key for key in values if key[0] == device and key[1].startswith(("ph", "device_m"))
                ]:
                    del values[feature]
                values |= {(device, f"phone_brand:{brand}"): np.float32(1)} if brand else {}
                values |= {(device, f"device_model:{model}"): np.float32(1)} if model else {}
    return values


def _of_app(app, tables):
    if app != "":
        yield "app", f"app:{app}"
    for labelled, label in tables["app_labels"]:
        if labelled == app and label != "":
            yield "label", f"label:{label}"
            for known, category in tables["label_categories"]:
                if known == label:
                    cleaned = category.lower().replace("game-", "game ")
                    for sign in "()_/":
                        cleaned = cleaned.replace(sign, " ")
                    words = cleaned.split() or ["missing"]
                    yield "category", f"category:{' '.join(words)}"
                    yield from (("word", f"word:{word}") for word in words)


def columns_by_hand(features: Mapping[tuple[int, str], np.float32]) -> list[str]:
    """Return the names in the documented order."""
    prefixes = [prefix for family in ORDER.values() for prefix in family]

    def place(name: str):
        prefix, rest = name.split(":", 1)
        if prefix in ("weekday", "hour", "app", "label"):
            return prefixes.index(prefix), int(rest)
        if prefix == "weekday_hour":
            day, hour = rest.split("-")
            return prefixes.index(prefix), 24 * int(day) + int(hour)
        return prefixes.index(prefix), rest

    return sorted({name for _, name in features}, key=place)


def random_tables(seed: int) -> dict[str, list[tuple]]:
    """Return rows of all seven tables: repeated, contradictory, unknown and empty where allowed."""
    rng = random.Random(seed)
    devices = [rng.randint(-(2**63), 2**63 - 1) for _ in range(24)]
    events, apps, labels = range(1, 500), [rng.randint(-(2**63), 2**63 - 1) for _ in range(12)], range(20)
    train = [(device, "M", 30, f"M{rng.randint(20, 22)}") for device in devices[:12]]
    start = datetime(2016, 4, 30, 22)  # noqa: DTZ001 - written without a zone, as the file has it

    def time() -> str:
        return "" if rng.random() < 0.05 else str(start + timedelta(minutes=rng.randint(0, 12_000)))

    def event_row(event: int) -> tuple:
        # Few devices have most of the events: more than 64, and some more than 128.
        device = devices[min(int(rng.expovariate(0.35)), 23)] if rng.random() < 0.9 else 77
        return ("" if rng.random() < 0.02 else event, device, time(), 0, 0)

    event_rows = [event_row(event) for event in events]
    event_rows += rng.sample(event_rows, 30) + [event_row(event) for event in rng.sample(events, 20)]
    rng.shuffle(event_rows)
    app_events = [
        (rng.randint(1, 520), "" if rng.random() < 0.02 else rng.choice(apps), 1, rng.randint(0, 1))
        for _ in range(1500)
    ]
    names = ["Game-Art", "game art", "", "  ", "(Sports)_Game", "Sports/game", "Ünï 学习", "1 free"]
    brands, models = ["小米", "OPPO, Inc", "", 'a "b"'], ["MI 3", "", "P8/x", "Z"]
    return {
        "gender_age_train": [*train, *rng.sample(train, 3)],
        "gender_age_test": [(device,) for device in [*devices[12:], devices[0], devices[12], devices[12]]],
        "phone_brand_device_model": [
            (rng.choice([*devices, 77]), rng.choice(brands), rng.choice(models)) for _ in range(60)
        ],
        "events": event_rows,
        "app_events": app_events + rng.sample(app_events, 200),
        "app_labels": [
            (rng.choice([*apps, 5]), "" if rng.random() < 0.1 else rng.choice(labels)) for _ in range(60)
        ],
        "label_categories": [(label, rng.choice(names)) for label in [*range(16), 3, 4, 5]],
    }
