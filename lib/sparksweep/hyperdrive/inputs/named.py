"""The named inputs of a training script: where their files lie on its machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from sparksweep.hyperdrive.inputs.dataset import InputDataset

__all__ = ["INPUTS", "read_inputs", "write_inputs"]

#: The environment variable of a script that holds them, as JSON.
INPUTS = "SPARKSWEEP_INPUTS"


def write_inputs(inputs: Mapping[str, InputDataset]) -> str:
    """Return the text that :func:`read_inputs` reads."""
    content = {
        name: {"kind": one.kind, "paths": list(map(str, one.paths)), "folder": str(one.folder)}
        for name, one in inputs.items()
    }
    return json.dumps(content)


def read_inputs(environ: Mapping[str, str]) -> dict[str, InputDataset]:
    """Return the inputs that an environment names; none outside a sweep."""
    content = json.loads(environ.get(INPUTS, "{}"))
    return {
        name: InputDataset(one["kind"], tuple(map(Path, one["paths"])), Path(one["folder"]))
        for name, one in content.items()
    }
