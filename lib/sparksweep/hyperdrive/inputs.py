"""The named inputs of a training script: where their files lie on its machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from sparksweep.hyperdrive.dataset import InputDataset

__all__ = ["INPUTS", "read_inputs", "write_inputs"]

#: The environment variable of a script that holds them, as JSON.
INPUTS = "SPARKSWEEP_INPUTS"


def write_inputs(inputs: Mapping[str, InputDataset]) -> str:
    """Return the text that :func:`read_inputs` reads."""
    return json.dumps(
        {name: {"kind": one.kind, "paths": list(map(str, one.paths))} for name, one in inputs.items()}
    )


def read_inputs(environ: Mapping[str, str]) -> dict[str, InputDataset]:
    """Return the inputs that an environment names; none outside a sweep."""
    content = json.loads(environ.get(INPUTS, "{}"))
    return {
        name: InputDataset(one["kind"], tuple(Path(path) for path in one["paths"]))
        for name, one in content.items()
    }
