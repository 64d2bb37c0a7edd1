"""What every test shares: the environment in which Spark starts, and how a job refuses."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from sparksweep.java import use_java
from tests.blob_server import blob_server

__all__ = ["ROOT", "blob_server", "check_refusal"]

ROOT = Path(__file__).parent.parent

# Spark's Python workers inherit these from the JVM, which inherits them from this process. They must
# stand before pytest-spark starts the JVM, so they are set here and not in a fixture. The root is for
# estimators of the tests.
os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "lib"), str(ROOT)])
# Runs that a test starts without saying where stand in a history of this run of the tests.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{tempfile.mkdtemp(prefix='sparksweep-tests-')}/mlflow.db"
use_java()


def check_refusal(code: int, err: str, words: Iterable[str]) -> None:
    """Check that a job ended with one sentence that holds some words."""
    assert code == 2
    sentence = err.splitlines()[-1]
    assert sentence.startswith("error: ")
    for word in words:
        assert word in sentence
    assert "Traceback" not in err
