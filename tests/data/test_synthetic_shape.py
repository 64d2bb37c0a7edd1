"""How much of everything a dataset has."""

from __future__ import annotations

import numpy as np
import pytest

from sparksweep.data.synthetic import LARGEST_SCALE, SMALLEST_SCALE, Shape
from sparksweep.data.synthetic.people import GROUPS, draw_people
from sparksweep.data.synthetic.phones import draw_phones
from sparksweep.data.synthetic.shape import apportion
from sparksweep.errors import ConfigError

PUBLISHED_CLASSES = [5050, 4190, 3118, 4628, 5561, 4194, 7488, 9605, 5445, 7309, 9476, 8581]


@pytest.fixture(scope="module")
def full_people():
    return draw_people(Shape(1.0), np.random.default_rng(0))


def test_scale_1_has_the_published_counts():
    shape = Shape(1.0)

    assert shape.rows == {
        "gender_age_train": 74_645,
        "gender_age_test": 112_071,
        "phone_brand_device_model": 187_245,
        "events": 3_252_950,
        "app_events": 32_473_067,
        "app_labels": 459_943,
        "label_categories": 930,
    }
    assert (shape.brands, shape.models, shape.apps_in_use, shape.labelled_apps) == (
        131,
        1_599,
        19_237,
        113_211,
    )


def test_a_hundredth_has_a_hundredth_of_the_rows_and_a_tenth_of_the_vocabulary():
    shape = Shape(0.01)

    assert shape.rows == {
        "gender_age_train": 746,
        "gender_age_test": 1_121,
        "phone_brand_device_model": 746 + 1_121 + 5,
        "events": 32_530,
        "app_events": 324_731,
        "app_labels": 45_994,
        "label_categories": 930,
    }
    assert (shape.brands, shape.models, shape.apps_in_use, shape.labelled_apps) == (13, 160, 1_924, 11_321)


def test_vocabularies_stay_as_published_above_scale_1():
    shape = Shape(3.0)

    assert shape.events == 9_758_850
    assert (shape.brands, shape.models, shape.apps_in_use, shape.app_label_rows) == (
        131,
        1_599,
        19_237,
        459_943,
    )


@pytest.mark.parametrize("scale", [0.0, -1.0, 0.0019, 10.1, float("nan"), float("inf")])
def test_a_scale_out_of_range_is_refused(scale):
    with pytest.raises(ConfigError, match=r"scale=.*from 0\.002 to 10"):
        Shape(scale)


def test_the_limits_themselves_are_allowed():
    assert Shape(SMALLEST_SCALE).train_devices == 149
    assert Shape(LARGEST_SCALE).train_devices == 746_450


def test_the_classes_have_the_published_members_and_at_the_smallest_scale_one_a_fold(full_people):
    members = np.bincount(full_people.groups[: full_people.n_train])

    assert members.tolist() == PUBLISHED_CLASSES
    assert apportion(Shape(0.01).train_devices, list(GROUPS.values())).min() >= 30
    assert apportion(Shape(SMALLEST_SCALE).train_devices, list(GROUPS.values())).min() >= 5


@pytest.mark.parametrize(("scale", "brands", "models"), [(SMALLEST_SCALE, 6, 72), (1.0, 131, 1_599)])
def test_every_brand_and_model_is_sold(scale, brands, models):
    shape = Shape(scale)
    people = draw_people(shape, np.random.default_rng(0))

    phones = draw_phones(shape, people, np.random.default_rng(1))

    assert len(phones.device_ids) == shape.phone_rows
    assert len(np.unique(phones.device_ids)) == shape.train_devices + shape.test_devices
    assert len(np.unique(phones.brands)) == brands
    assert len(np.unique(phones.models)) == models


def test_31_percent_of_the_devices_are_active(full_people):
    is_train = full_people.active < full_people.n_train
    is_test = ~is_train & (full_people.active < full_people.n_train + full_people.n_test)

    assert is_train.sum() == 23_309
    assert is_test.sum() == 35_194
    assert len(np.unique(full_people.active)) == len(full_people.active) == 60_865


@pytest.mark.parametrize(
    ("total", "weights", "at_least", "shares"),
    [
        (10, [1, 1, 1], 0, [4, 3, 3]),
        (10, [1, 2, 7], 0, [1, 2, 7]),
        (7, [0.6, 0.25, 0.15], 0, [4, 2, 1]),
        (7, [100, 1, 1], 2, [3, 2, 2]),
        (0, [1, 2], 0, [0, 0]),
    ],
)
def test_apportion_gives_the_largest_remainders_one_more(total, weights, at_least, shares):
    assert apportion(total, weights, at_least).tolist() == shares
