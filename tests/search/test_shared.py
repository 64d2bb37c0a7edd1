"""A value that workers share: what arrives, that it is one file, and that the file goes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from sparksweep.search.shared import Shared


def on_two_workers(sc, look):
    """Run a function in two workers at once."""

    def slowly(_):
        found = look()
        time.sleep(0.5)  # so that the second partition goes to the other worker
        return os.getpid(), found

    return sc.parallelize(range(2), 2).map(slowly).collect()


def files():
    return sorted(path.name for path in Path(os.environ["SPARK_LOCAL_DIRS"], "sparksweep").glob("shared-*"))


def inode(array):
    """The file in which an array lies, by the process's map of its memory."""
    place = array.__array_interface__["data"][0]
    for line in Path("/proc/self/maps").read_text().splitlines():
        ends, _, _, _, number, *_ = line.split()
        begin, end = (int(text, 16) for text in ends.split("-"))
        if begin <= place < end:
            return int(number)
    return 0


def test_arrives_as_it_was(spark_context):
    rng = np.random.default_rng(0)
    value = {
        "sparse": sparse.random(2000, 300, 0.1, format="csr", random_state=0, dtype=np.float32),
        "dense": np.asfortranarray(rng.normal(size=(500, 100))),
        "frame": pd.DataFrame({"a": rng.normal(size=20_000), "b": ["x", "y"] * 10_000}),
        "small": np.arange(3),
        "text": ["a", None],
        "not contiguous": rng.normal(size=(400, 100))[::2, ::2],
        "none of its size": np.empty((0, 5)),
    }
    shared = Shared(spark_context, value)

    def look():
        found = shared.load()
        same = {
            "sparse": (found["sparse"] != value["sparse"]).nnz == 0,
            "dense": np.array_equal(found["dense"], value["dense"]) and found["dense"].flags.f_contiguous,
            "frame": found["frame"].equals(value["frame"]),
            "rest": all(
                np.array_equal(found[name], value[name])
                for name in ("small", "not contiguous", "none of its size")
            ),
            "text": found["text"] == value["text"],
        }
        return same, found["sparse"].data.flags.writeable, found["dense"].flags.writeable

    for _, (same, *writeable) in on_two_workers(spark_context, look):
        assert all(same.values()), same
        assert writeable == [False, False]
    shared.destroy()


def test_workers_share_one_file_that_goes_with_the_search(spark_context):
    def look_at(shared):
        def look():
            array = shared.load()
            return float(array[-1]), inode(array), files()

        return on_two_workers(spark_context, look)

    # More than one piece of 64 MiB.
    first, second = (Shared(spark_context, np.full(9_000_000, number, float)) for number in (1, 2))
    (one, (last, number, _)), (two, (_, other, names)) = look_at(first)
    assert one != two
    assert last == 1
    assert number == other != 0
    assert len(names) == 1
    first.destroy()
    for _, (last, _, now) in look_at(second):
        assert last == 2
        assert len(now) == 1
        assert now != names
    second.destroy()


def test_small_values_need_no_file(spark_context):
    shared = Shared(spark_context, (np.arange(10), "text"))
    assert shared.nbytes == 0
    ((_, found), _) = on_two_workers(spark_context, lambda: shared.load()[1])
    assert found == "text"
