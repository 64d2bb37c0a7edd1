"""Small estimators that do what a test needs to see. Executors import them from here."""

from __future__ import annotations

import os
import time
import warnings
from pathlib import Path

import numpy as np
from pyspark import TaskContext
from sklearn.base import BaseEstimator, ClassifierMixin


class Constant(ClassifierMixin, BaseEstimator):
    """Predicts the class 0 or 1 that ``value`` says, and may fail, wait, or kill its process on the way."""

    def __init__(self, value=0, fail=False, die_once=None, wait_for=None, log=None):
        self.value = value
        self.fail = fail
        self.die_once = die_once
        self.wait_for = wait_for
        self.log = log

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        if self.fail:
            raise ArithmeticError("asked to fail")
        if self.log is not None:
            (Path(self.log) / f"{time.time_ns()}-begin").touch()
        if self.die_once is not None and not Path(self.die_once).exists():
            Path(self.die_once).touch()
            os._exit(1)
        while self.wait_for is not None and not Path(self.wait_for).exists():
            time.sleep(0.02)
        if self.log is not None:
            time.sleep(0.1)
            (Path(self.log) / f"{time.time_ns()}-end").touch()
        return self

    def predict(self, X):
        return np.full(len(X), self.value)


class FailsForSeed(ClassifierMixin, BaseEstimator):
    """Predicts the most frequent class, and cannot be fitted with one seed."""

    def __init__(self, bad_seed=None, random_state=None):
        self.bad_seed = bad_seed
        self.random_state = random_state

    def fit(self, X, y):
        if self.random_state == self.bad_seed:
            raise ArithmeticError("this seed fails")
        self.classes_, counts = np.unique(y, return_counts=True)
        self.frequent_ = self.classes_[counts.argmax()]
        return self

    def predict(self, X):
        return np.full(len(X), self.frequent_)


class TellsItsTask(ClassifierMixin, BaseEstimator):
    """Remembers what Spark gave to the task in which it was fitted."""

    def __init__(self, value=0, n_jobs=None, device=None, seconds=0.0):
        self.value = value
        self.n_jobs = n_jobs
        self.device = device
        self.seconds = seconds

    def fit(self, X, y):
        time.sleep(self.seconds)
        self.classes_ = np.unique(y)
        self.cpus_ = TaskContext.get().cpus()
        self.threads_ = self.n_jobs
        self.gpu_ = int(self.device.partition(":")[2] or -1) if self.device else -1
        return self

    def told(self):
        return {"cpus": self.cpus_, "threads": self.threads_ or 0, "gpu": self.gpu_}


class NeedsPermission(ClassifierMixin, BaseEstimator):
    """Classifies by a threshold; cannot be fitted with the third of four values until a file is there.

    Each fit that ends leaves a file in ``folder / "log"``, named by its value.
    """

    def __init__(self, value=0.0, folder="."):
        self.value = value
        self.folder = folder

    def fit(self, X, y):
        if self.value == 0.3 and not (Path(self.folder) / "permission").exists():
            raise PermissionError("not now")
        self.classes_ = np.unique(y)
        self.threshold_ = np.quantile(X[:, 0], self.value)
        warnings.warn(f"fitted with {self.value}", UserWarning, stacklevel=2)
        (Path(self.folder) / "log" / f"{self.value}_{time.time_ns()}_{os.getpid()}").touch()
        return self

    def predict(self, X):
        return (X[:, 0] > self.threshold_).astype(int)
