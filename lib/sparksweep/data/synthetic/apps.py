"""Which apps there are, what their labels mean, and which of them each active device has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from sparksweep.data.synthetic.names import GENERAL_CATEGORIES, topic_category, topics
from sparksweep.data.synthetic.people import draw, unique_ids, weights_of_groups
from sparksweep.data.synthetic.shape import Shape, apportion

__all__ = ["Apps", "Installed", "Labels", "draw_apps", "draw_installed", "draw_labels"]

# How much the groups differ in the topics of their apps and in the single apps: enough for a log loss of 2.01
# of the devices with events at scale 1, where all devices can be learned from, and 2.15 at scale 0.1.
_TOPIC_STRENGTH = 0.30
_APP_STRENGTH = 0.25

# Zipf's law for the apps, a little flatter for the first ones.
_ZIPF_EXPONENT, _ZIPF_OFFSET = 1.05, 3.0

# Apps that a device draws; an app that it draws twice is one app of its set.
_MEDIAN_DRAWS, _SPREAD_OF_DRAWS = 33.0, 0.75

# Labels that apps have in the competition are 507 of the 930.
_LABELS_OF_TOPIC = 12
_GENERAL_LABELS_OF_TOPIC = 8
# 930 labels have 835 names.
_REPEATED_NAMES = 95


@dataclass(frozen=True)
class Labels:
    """The rows of ``label_categories``, and which labels apps of each topic may have.

    Attributes
    ----------
    ids : int64 array of shape (labels,)
        Ascending.
    categories : tuple of str
        One is empty.
    of_topic : int64 array of shape (topics, 20)
        Ids, the topic's own first.
    """

    ids: npt.NDArray[np.int64]
    categories: tuple[str, ...]
    of_topic: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Apps:
    """The apps, the ones in use first, by popularity.

    Attributes
    ----------
    ids : int64 array of shape (labelled apps,)
    weights : array of shape (12, apps in use)
        How often each group has each app.
    labelled, label_ids : int64 arrays of shape (rows of app_labels,)
        App id and label id.
    """

    ids: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]
    labelled: npt.NDArray[np.int64]
    label_ids: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Installed:
    """The apps of each active device: those of device ``d`` are ``apps[starts[d]:starts[d] + sizes[d]]``.

    Attributes
    ----------
    apps : int32 array
        Places in :attr:`Apps.ids`.
    starts, sizes : int64 arrays of shape (active devices,)
    """

    apps: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]


def draw_labels(shape: Shape, rng: np.random.Generator) -> Labels:
    """Draw the labels. Some share their name, and the last ones of each topic are no app's."""
    n_topics, n_general = topics(), len(GENERAL_CATEGORIES)
    names = [topic_category(n % n_topics, n // n_topics) for n in range(shape.labels - n_general)]
    repeated, kept = np.split(rng.permutation(len(names)), [_REPEATED_NAMES])
    for label, other in zip(repeated, rng.permutation(kept), strict=False):
        names[label] = names[other]
    ids = np.sort(rng.permutation(np.arange(1, 1 + shape.labels * 11 // 10))[: shape.labels])
    place = rng.permutation(shape.labels)
    categories = np.empty(shape.labels, dtype=object)
    categories[place] = [*GENERAL_CATEGORIES, *names]
    own = n_general + np.arange(n_topics)[:, None] + n_topics * np.arange(_LABELS_OF_TOPIC)
    general = np.argsort(rng.random((n_topics, n_general)), axis=1)[:, :_GENERAL_LABELS_OF_TOPIC]
    return Labels(ids, tuple(categories), ids[place[np.hstack([own, general])]])


def draw_apps(shape: Shape, labels: Labels, rng: np.random.Generator) -> Apps:
    """Draw the apps and their labels. The labels of an app follow from its topic, as do its users."""
    n_topics = len(labels.of_topic)
    common = 1.0 / np.arange(4.0, 4.0 + n_topics)
    topic = draw(common[None, :], np.zeros(shape.labelled_apps, dtype=np.int8), rng)
    rank = np.arange(1.0, 1.0 + shape.apps_in_use)
    popularity = (rank + _ZIPF_OFFSET) ** -_ZIPF_EXPONENT
    of_topic = weights_of_groups(np.ones(n_topics), _TOPIC_STRENGTH, rng)
    weights = of_topic[:, topic[: shape.apps_in_use]] * weights_of_groups(popularity, _APP_STRENGTH, rng)
    ids = unique_ids(shape.labelled_apps, rng)
    # A few apps have many labels, at most ten or so.
    n_labels = apportion(shape.app_label_rows, rng.random(len(ids)) ** 2, at_least=1)
    offered = labels.of_topic[topic]
    liking = 1.0 / (np.arange(offered.shape[1]) % _LABELS_OF_TOPIC + 1.0)
    order = np.argsort(np.log(1.0 - rng.random(offered.shape)) / liking, axis=1)[:, ::-1]
    is_chosen = np.arange(offered.shape[1]) < n_labels[:, None]
    rows = rng.permutation(shape.app_label_rows)
    return Apps(
        ids,
        weights,
        np.repeat(ids, n_labels)[rows],
        np.take_along_axis(offered, order, axis=1)[is_chosen][rows],
    )


def draw_installed(apps: Apps, users: npt.NDArray[np.int8], rng: np.random.Generator) -> Installed:
    """Draw the set of apps of each active device, so that each app in use is in some set."""
    n_devices, n_apps = len(users), apps.weights.shape[1]
    quantiles = (rng.permutation(n_devices) + 0.5) / n_devices
    n_draws = np.rint(_MEDIAN_DRAWS * np.exp(_SPREAD_OF_DRAWS * ndtri(quantiles))).astype(np.int64) + 1
    device = np.repeat(np.arange(n_devices), n_draws)
    app = draw(apps.weights, np.repeat(users, n_draws), rng)
    nobodys = np.setdiff1d(np.arange(n_apps), app)
    hosts = rng.integers(n_devices, size=len(nobodys))
    pairs = np.unique(np.concatenate([device, hosts]) * n_apps + np.concatenate([app, nobodys]))
    sizes = np.bincount(pairs // n_apps, minlength=n_devices)
    return Installed((pairs % n_apps).astype(np.int32), np.cumsum(sizes) - sizes, sizes)
