"""A child run that executes a training script, on its executor."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sparksweep.hyperdrive.child.context import ADDRESS, ARTIFACTS, RUN_ID, TOKEN
from sparksweep.hyperdrive.child.outputs import collect, pack
from sparksweep.hyperdrive.child.placeholders import as_options, as_text, fill
from sparksweep.hyperdrive.child.relay import Relay
from sparksweep.hyperdrive.child.script_process import ScriptProcess
from sparksweep.hyperdrive.child.snapshot import unpack
from sparksweep.hyperdrive.child.task import CANCELED, COMPLETED, FAILED, Attempt, Ended
from sparksweep.hyperdrive.inputs.dataset import InputDataset
from sparksweep.hyperdrive.inputs.delivery import PackedInput, unpacked, work_folder
from sparksweep.hyperdrive.inputs.named import INPUTS, write_inputs
from sparksweep.search.resources import gpu_of_task

__all__ = ["InputPath", "ScriptTrial"]

# Secrets and addresses of Spark's own workers, which are none of a script's business.
_SPARKS_OWN = ("PYTHON_WORKER_FACTORY", "PYSPARK_GATEWAY", "SPARK_AUTH", "_SPARK", "_PYSPARK")

# How the executor itself would speak with an MLflow server: a name and a password would outdo our token.
_MLFLOWS = ("MLFLOW_TRACKING_", "MLFLOW_EXPERIMENT_")

# Before the names of the parameters in the environment, as in Azure ML v2.
_SWEPT = "AZUREML_SWEEP_"

# Seconds between two looks at a running script, and characters of the sentence about a failed one.
_LOOK_EVERY = 0.1
_SENTENCE = 500


@dataclass(frozen=True)
class InputPath:
    """An argument that is the path of an input: of its only file, else of the folder of all."""

    name: str


@dataclass(frozen=True)
class ScriptTrial:
    """A script, or a command, with all that it needs.

    Parameters
    ----------
    snapshot : array of uint8
        A zip of the source directory.
    script, arguments
        Run by this Python, with the run's parameters added.
    command : str, sequence of str or None
        Run instead; with places to fill.
    inputs : sequence of PackedInput
    literals : mapping of str to str
        What else stands for places of the command.
    environ : mapping of str to str
        Added to the environment.
    seconds : float
        After which it is canceled.
    """

    snapshot: npt.NDArray[np.uint8]
    script: str | None
    arguments: Sequence[str | InputPath]
    command: str | Sequence[str] | None
    inputs: Sequence[PackedInput]
    literals: Mapping[str, str]
    environ: Mapping[str, str]
    seconds: float

    def run(self, attempt: Attempt) -> Iterator[Ended | bytes]:
        """Run it in a process and a folder of its own; see ``child/task.py``."""
        with ExitStack() as opened:
            folder = opened.enter_context(work_folder(attempt.run))
            code, artifacts, log = folder / "code", folder / "artifacts", folder / "log"
            unpack(self.snapshot.data, code)
            outputs = [code / place for name, place in self.literals.items() if name.startswith("outputs.")]
            for made in (artifacts, code / "outputs", code / "logs", *outputs):
                made.mkdir(parents=True, exist_ok=True)
            inputs = opened.enter_context(unpacked(self.inputs))
            relay = opened.enter_context(Relay(attempt.run, artifacts, attempt.link.log))
            environ = {**self._environment(folder, attempt, relay), INPUTS: write_inputs(inputs)}
            command = self._command(attempt.setting, inputs)
            status, error = self._execute(command, code, environ, log, attempt)
            files, left_out = collect(
                [("", artifacts), ("outputs/", code / "outputs"), ("logs/", code / "logs")]
            )
            logged = relay.logged
            tags = dict(logged.tags)
            if left_out:
                tags["files_left_out"] = (
                    f"too large to be brought back, or not readable: {', '.join(left_out)}"[:_SENTENCE]
                )
            yield Ended(status, error, parameters=logged.parameters, tags=tags)
            yield from pack(files, log)

    def _command(self, setting: Mapping[str, Any], inputs: Mapping[str, InputDataset]) -> list[str]:
        paths = {name: _path_of(one) for name, one in inputs.items()}
        if self.script is not None:
            arguments = [paths[one.name] if isinstance(one, InputPath) else one for one in self.arguments]
            return [sys.executable, self.script, *arguments, *as_options(setting)]
        values = {
            **{f"search_space.{name.lstrip('-')}": as_text(value) for name, value in setting.items()},
            **self.literals,
            **{f"inputs.{name}": path for name, path in paths.items()},
        }
        if isinstance(self.command, str):
            quoted = {name: shlex.quote(value) for name, value in values.items()}
            return [shutil.which("bash") or "/bin/sh", "-c", fill(self.command, quoted)]
        return [fill(word, values) for word in self.command or ()]

    def _environment(self, folder: Path, attempt: Attempt, relay: Relay) -> dict[str, str]:
        left_out = (*_SPARKS_OWN, *_MLFLOWS)
        own = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        given = {**own, **self.environ}
        root = str(Path(__file__).parents[3])
        python = folder / "bin" / "python"
        python.parent.mkdir()
        # The name that commands use, for the Python that the tasks have.
        python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        python.chmod(0o755)
        gpu = gpu_of_task()
        no_proxy = ",".join(filter(None, [given.get("no_proxy") or given.get("NO_PROXY"), "127.0.0.1"]))
        return {
            **own,
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": str(attempt.cores),
            ADDRESS: relay.url,
            TOKEN: relay.token,
            "MLFLOW_TRACKING_URI": relay.url,
            "MLFLOW_TRACKING_TOKEN": relay.token,
            "MLFLOW_RUN_ID": attempt.run,
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # of a page that there is not
            **{f"{_SWEPT}{name.lstrip('-')}": as_text(value) for name, value in attempt.setting.items()},
            RUN_ID: attempt.run,
            ARTIFACTS: str(folder / "artifacts"),
            **({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}),
            **self.environ,
            "PATH": f"{python.parent}{os.pathsep}{given.get('PATH', os.defpath)}",
            "PYTHONPATH": os.pathsep.join(filter(None, [root, given.get("PYTHONPATH")])),
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
        }

    def _execute(
        self, command: Sequence[str], folder: Path, environ: Mapping[str, str], log: Path, attempt: Attempt
    ) -> tuple[str, str | None]:
        end = time.monotonic() + self.seconds
        with log.open("wb") as opened, ScriptProcess(command, folder, environ, opened) as process:
            while (code := process.wait(_LOOK_EVERY)) is None:
                if attempt.link.stopped.is_set():
                    return CANCELED, None
                if time.monotonic() > end:
                    return CANCELED, f"it ran longer than {self.seconds:g} seconds"
        if code == 0:
            return COMPLETED, None
        last = next((line.strip() for line in reversed(_last_lines(log)) if line.strip()), "")
        return FAILED, f"the script ended with exit code {code}" + (f": {last[:_SENTENCE]}" if last else "")


def _path_of(one: InputDataset) -> str:
    return str(one.folder if one.kind == "folder" or len(one.paths) > 1 else one.paths[0])


def _last_lines(log: Path) -> list[str]:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 10_000))
        return file.read().decode(errors="replace").splitlines()
