"""What MLflow takes as names and values, and how ours are put into that form and back.

MLflow allows letters, digits, ``_ . - : /`` and spaces in the name of a metric, a parameter or a tag, and no
name that means another one as a path (``a//b``, ``../a``). A name that it would refuse gets ``_`` for what
is not allowed, and the digest of the whole name behind it. So two names never meet, the stored name is the
same in every process, and a tag of the run keeps the name as it was given. Values of parameters that are too
long end in an ellipsis and their digest; a tag keeps them whole where it can.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "PARENT_TAG",
    "RUN_ID_TAG",
    "TOP",
    "Stored",
    "name_tags",
    "own_tags",
    "restored",
    "stored_name",
    "stored_parameters",
    "stored_tags",
]

#: The tag with our id of a run, and the one with our id of its parent, ``TOP`` for a run without one.
RUN_ID_TAG = "sparksweep.run_id"
PARENT_TAG = "sparksweep.parent_run_id"
TOP = "-"

_NAME_TAG = "sparksweep.name."
_VALUE_TAG = "sparksweep.value."

# The limits of MLflow 3.5 to 3.17; names may have 250 characters there, and ours get a prefix as tags.
_NAME_LENGTH = 200
_PARAMETER_LENGTH = 6000
_TAG_LENGTH = 8000


@dataclass(frozen=True)
class Stored:
    """Parameters and tags in a form that MLflow takes."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def stored_name(name: str) -> str:
    """Return the name under which MLflow keeps a metric, parameter or tag."""
    mended = re.sub(r"[^\w.\- :/]", "_", name)
    normal = posixpath.normpath(mended)
    if normal != mended or normal == "." or normal.startswith(("..", "/")):
        mended = mended.replace("/", "_")
        mended = f"_{mended[1:]}" if mended[:1] in ("", ".") else mended
    if mended == name and len(name) <= _NAME_LENGTH:
        return name
    return f"{mended[: _NAME_LENGTH - 9]}_{_digest(name)}"


def stored_parameters(parameters: Mapping[str, Any]) -> Stored:
    """Return parameters as MLflow takes them, and tags that keep what had to be changed."""
    values, tags = {}, name_tags(parameters)
    for name, value in parameters.items():
        text = _clean(str(value))
        values[stored_name(name)] = _cut(text, _PARAMETER_LENGTH)
        if _PARAMETER_LENGTH < len(text) <= _TAG_LENGTH:
            tags[_VALUE_TAG + stored_name(name)] = text
    return Stored(values, tags)


def stored_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags as MLflow takes them, those that keep their names among them."""
    values = {stored_name(name): _cut(_clean(str(value)), _TAG_LENGTH) for name, value in tags.items()}
    return {**values, **name_tags(tags)}


def name_tags(names: Iterable[str]) -> dict[str, str]:
    """Return the tags that keep the names that had to be changed."""
    changed = {stored_name(name): name for name in names if stored_name(name) != name}
    return {_NAME_TAG + stored: _cut(_clean(name), _TAG_LENGTH) for stored, name in changed.items()}


def restored(values: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """Return parameters or metrics of a run under their own names, and with their whole values."""
    return {
        tags.get(_NAME_TAG + name, name): tags.get(_VALUE_TAG + name, value) for name, value in values.items()
    }


def own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that a user or a job has given, under their own names."""
    ours = ("mlflow.", _NAME_TAG, _VALUE_TAG)
    kept = {
        name: value
        for name, value in tags.items()
        if not name.startswith(ours) and name not in (RUN_ID_TAG, PARENT_TAG)
    }
    return {tags.get(_NAME_TAG + name, name): value for name, value in kept.items()}


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 9]}…{_digest(text)}"


def _clean(text: str) -> str:
    # Databases take neither lone surrogates nor, some of them, NUL.
    return text.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
