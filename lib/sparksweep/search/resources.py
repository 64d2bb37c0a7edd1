"""What Spark gives to a search: cores, task slots and GPUs, and how its fits are to share them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark import SparkContext, TaskContext
from pyspark.resource import ResourceProfile, ResourceProfileBuilder, TaskResourceRequests

from sparksweep.errors import SetupError
from sparksweep.search.threads import Threads

__all__ = ["SPARE", "Allotment", "Cluster", "gpu_of_task", "use_gpu", "wants_gpu"]

#: For ``threads``: as many as leave no core idle.
SPARE = "spare"

# The executors, and the cores of each.
_LOCAL_CLUSTER = re.compile(r"local-cluster\[\s*(\d+)\s*,\s*(\d+)")

_GPU = "gpu"
# Devices of NVIDIA's driver, and of Linux in Windows.
_GPU_FILES = ("nvidia[0-9]*", "dxg")
_TASK_GPUS = "spark.task.resource.gpu.amount"
_EXECUTOR_GPUS = "spark.executor.resource.gpu.amount"


@dataclass(frozen=True)
class Allotment:
    """How the fits of a search share what Spark gives.

    ``threads`` is what each fit has, ``refit_threads`` the refit. ``slots`` tasks run at once, and where
    ``is_limited`` no more may. ``profile`` asks Spark for more than ``spark.task.cpus`` a task.
    """

    threads: Threads
    refit_threads: Threads
    slots: int
    is_limited: bool = False
    profile: ResourceProfile | None = None


@dataclass(frozen=True)
class Cluster:
    """What a SparkContext says that it has.

    ``cores`` are all of them together, ``executor_cores`` those of one executor, as far as it is known.
    ``sc`` is None on an executor, where a search inside a search has one task's cores.
    """

    sc: SparkContext | None
    cores: int
    task_cpus: int
    executor_cores: int
    is_local: bool

    @classmethod
    def of(cls, sc: SparkContext) -> Cluster:
        """Ask a SparkContext."""
        conf = sc.getConf()
        task_cpus = int(conf.get("spark.task.cpus") or 1)
        master = sc.master or ""
        is_local = master.startswith("local") and not master.startswith("local-cluster")
        own = int(conf.get("spark.executor.cores") or task_cpus)
        local_cluster = _LOCAL_CLUSTER.match(master)
        if local_cluster:
            own = int(local_cluster[2])
        cores = _cores(sc, own)
        return cls(sc, cores, task_cpus, cores if is_local else own, is_local)

    def allot(self, threads: int | str | None, n_jobs: int | None, n_tasks: int, *, gpu: bool) -> Allotment:
        """Return how fits share this cluster.

        Parameters
        ----------
        threads : int, "spare" or None
            Of every fit. A number is given whatever it costs in fits at once; "spare" takes cores that
            would be idle; None is what Spark gives to a task.
        n_jobs : int or None
            Fits at once at most, as in scikit-learn; None and -1 mean every slot.
        n_tasks : int
            Tasks of the whole search.
        gpu : bool
            Whether a fit needs a GPU.

        Raises
        ------
        ValueError
            If there are no such threads, or ``n_jobs`` is 0.
        SetupError
            If a fit needs a GPU and Spark has none to give.
        """
        cpus, refit = self._cpus(threads, n_tasks)
        profile = self._profile(cpus if cpus > self.task_cpus else None, gpu=gpu)
        is_asked = threads is not None
        if threads == SPARE and cpus > self.task_cpus and not self.is_local and profile is None:
            cpus = self.task_cpus
        elif cpus > self.task_cpus and not self.is_local and profile is None:
            raise ValueError(
                f"threads={threads} cannot be had: Spark gives each task {self.task_cpus} core(s), and "
                f"this master cannot change that for one stage. Give a number from 1 to {self.task_cpus}, "
                f"or start Spark with spark.task.cpus={cpus}."
            )
        slots = max(1, self.cores // max(cpus, self.task_cpus))
        asked = _asked_slots(n_jobs, slots)
        return Allotment(
            Threads(cpus, is_asked),
            Threads(refit, is_asked),
            slots if asked is None else min(asked, slots),
            # A local master has no profiles: fewer tasks at once leave each the threads that it takes.
            is_limited=asked is not None or (profile is None and cpus > self.task_cpus),
            profile=profile,
        )

    def _cpus(self, threads: int | str | None, n_tasks: int) -> tuple[int, int]:
        if threads is None:
            return self.task_cpus, self.task_cpus
        if threads == SPARE:
            most = max(self.executor_cores, self.task_cpus)
            each = self.cores // max(1, min(n_tasks, self.cores))
            return min(max(each, self.task_cpus), most), most
        if not isinstance(threads, int) or not 1 <= threads <= max(self.executor_cores, self.task_cpus):
            raise ValueError(
                f"threads={threads!r} cannot be had: Spark gives each task at most "
                f"{max(self.executor_cores, self.task_cpus)} core(s) here. Give a number from 1 to that, "
                f"'{SPARE}' for cores that would be idle, or start Spark with larger executors "
                "(spark.executor.cores)."
            )
        return threads, threads

    def _profile(self, cpus: int | None, *, gpu: bool) -> ResourceProfile | None:
        if self.sc is None:
            return None
        conf = self.sc.getConf()
        requests = TaskResourceRequests()
        if cpus is not None and not self.is_local:
            requests.cpus(cpus)
        if gpu:
            if self.is_local:
                _check_own_gpu()
            elif conf.get(_EXECUTOR_GPUS) is None:
                raise SetupError(
                    "device=cuda, but Spark has no GPU to give: start it with "
                    f"{_EXECUTOR_GPUS}=1, {_TASK_GPUS}=1 and a discovery script "
                    "(spark.executor.resource.gpu.discoveryScript), or set device to cpu"
                )
            elif conf.get(_TASK_GPUS) is None or cpus is not None:
                requests.resource(_GPU, 1)
        if not requests.requests:
            return None
        profile = ResourceProfileBuilder().require(requests).build
        if _is_supported(self.sc, profile):
            return profile
        if gpu and conf.get(_TASK_GPUS) is None:
            raise SetupError(f"device=cuda, but Spark gives its tasks no GPU: start it with {_TASK_GPUS}=1")
        return None

    def whole_executor(self) -> ResourceProfile | None:
        """Return the profile of a task that has all cores of an executor, where Spark can give them."""
        return None if self.is_local else self._profile(self.executor_cores, gpu=False)


def wants_gpu(estimator: Any, candidates: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether a parameter ``device`` asks for CUDA, of the estimator or of a candidate."""
    own = estimator.get_params(deep=True)
    return any(
        _is_cuda(name, value) for parameters in (own, *candidates) for name, value in parameters.items()
    )


def gpu_of_task() -> str | None:
    """Return the address of the GPU that Spark has given to the running task, if it has."""
    task = TaskContext.get()
    given = None if task is None else task.resources().get(_GPU)
    return given.addresses[0] if given is not None and given.addresses else None


def use_gpu(estimator: Any, address: str | None) -> None:
    """Set each ``device`` of an estimator that says CUDA to the GPU of the task."""
    if address is None:
        return
    names = [name for name, value in estimator.get_params(deep=True).items() if _is_cuda(name, value)]
    estimator.set_params(**dict.fromkeys(names, f"cuda:{address}"))


def _is_cuda(name: str, value: Any) -> bool:
    return (
        name.rpartition("__")[2] == "device" and isinstance(value, str) and value.startswith(("cuda", "gpu"))
    )


def _cores(sc: SparkContext, executor_cores: int) -> int:
    """Return how many cores there are in all: what Spark says, unless a setting stands in its place."""
    conf, master = sc.getConf(), sc.master or ""
    if conf.get("spark.default.parallelism") is None:
        return max(1, sc.defaultParallelism)
    local, local_cluster = re.match(r"local(?:\[\s*(\d+|\*)|$)", master), _LOCAL_CLUSTER.match(master)
    if local:
        return (os.cpu_count() or 1) if local[1] == "*" else int(local[1] or 1)
    if local_cluster:
        return int(local_cluster[1]) * executor_cores
    executors = conf.get("spark.executor.instances")
    return int(executors) * executor_cores if executors else max(1, sc.defaultParallelism)


def _check_own_gpu() -> None:
    if not any(any(Path("/dev").glob(pattern)) for pattern in _GPU_FILES):
        raise SetupError("device=cuda, but this machine has no NVIDIA GPU: set device to cpu")


def _is_supported(sc: SparkContext, profile: ResourceProfile) -> bool:
    try:
        sc.parallelize([0], 1).withResources(profile)
    except Exception:  # Spark's own, by Py4J, in words that change from version to version
        return False
    return True


def _asked_slots(n_jobs: int | None, slots: int) -> int | None:
    """Return how many tasks may run at once; None for no limit. Negative numbers count from the end."""
    if n_jobs == 0:
        raise ValueError("n_jobs == 0 has no meaning: give a number of fits at once, or -1 for every slot.")
    if n_jobs is None or n_jobs == -1:
        return None
    return n_jobs if n_jobs > 0 else max(1, slots + 1 + n_jobs)
