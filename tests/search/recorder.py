"""Callbacks that write down what they are told, from whatever process, into one file."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np


class Recorder:
    """Is told of the tasks of the estimator that it is set on."""

    def __init__(self, path):
        self.path = str(path)

    def setup(self, estimator, context):
        self._write("setup", context)

    def teardown(self, estimator, context):
        self._write("teardown", context)

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self._write("begin", context, self._seen(estimator, X, y, metadata))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None):
        self._write("end", context, self._seen(estimator, X, y, metadata))

    def _seen(self, estimator, X, y, metadata):
        weights = (metadata or {}).get("sample_weight")
        return [
            type(estimator).__name__,
            *(
                None if value is None else [np.shape(value), float(np.sum(value))]
                for value in (X, y, weights)
            ),
        ]

    def _write(self, hook, context, seen=()):
        path = []
        while context is not None:
            path.append([context.estimator_name, context.task_name, context.task_id, context.max_subtasks])
            context = context.parent
        line = json.dumps([hook, path[::-1], seen]) + "\n"
        descriptor = os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.write(descriptor, line.encode())  # one write, so that lines of several processes do not mix
        os.close(descriptor)


class PropagatedRecorder(Recorder):
    """Is told of the tasks of the sub-estimators too."""

    max_propagation_depth = None


def told(path):
    """Return how often each thing was told."""
    return Counter(Path(path).read_text().splitlines())


def tasks(path, hook="end"):
    """Return how often each task, by the names on its path, ended."""
    lines = map(json.loads, Path(path).read_text().splitlines())
    return Counter(
        tuple(f"{e}.{t}" for e, t, *_ in where) for told_hook, where, _ in lines if told_hook == hook
    )
