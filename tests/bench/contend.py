"""Run one contender on a workload that lies in a folder, and print its outcome as JSON.

``python tests/bench/contend.py CONTENDER FOLDER``, by the Python of the contender's environment.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from tests.bench.workload import read_workload

if __name__ == "__main__":
    contender, folder = sys.argv[1:]
    module = importlib.import_module(f"tests.bench.contenders.{contender}")
    outcome = module.search(read_workload(Path(folder)))
    print(json.dumps(dataclasses.asdict(outcome)))
