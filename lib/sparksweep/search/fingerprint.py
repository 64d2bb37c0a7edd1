"""What a search is, as digests: two searches with one fingerprint have the same fits.

Digests tell content and nothing else: neither addresses nor the order of a set, neither a memory map nor
whether an array can be written to. (:func:`joblib.hash` tells equal objects by their identity, and frozen
sets by their order, which is another one in another process.) Estimators count by their class and
parameters. What a package of a known version defines counts by its name; functions and classes of the
user's count by their code, and by the functions, classes and constants that the code names: numbers, texts,
arrays, and lists, tuples, sets and dicts of them.
"""

from __future__ import annotations

import copy
import copyreg
import hashlib
import json
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, distributions
from pickle import PicklingError
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import sklearn
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import MetadataRequest

from sparksweep import __version__
from sparksweep.errors import ConfigError
from sparksweep.search.workbench import SearchData

__all__ = ["Fingerprint", "candidate_key", "fingerprint_of", "fold_key"]

# Hexadecimal digits of the keys of candidates and folds, of which a search has some thousands.
_KEY = 20

# Bytes at a time of an array that does not lie in one piece.
_BLOCK = 16 << 20

# Settings of scikit-learn by which no fit differs.
_DISPLAY = ("display", "print_changed_only")

# What scikit-learn's clone keeps beside the parameters: requests for metadata and the form of outputs.
_KEPT_BY_CLONE = ("_metadata_request", "_sklearn_output_config")

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...))


@dataclass(frozen=True)
class Fingerprint:
    """Digests, or short texts, of all that the fits of a search depend on, by name."""

    parts: Mapping[str, str]

    @property
    def digest(self) -> str:
        """One digest of all parts: 64 hexadecimal digits."""
        return hashlib.sha256(json.dumps(sorted(self.parts.items())).encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str | bytes) -> Fingerprint:
        """Return the fingerprint that :meth:`to_json` wrote. ValueError if it is none."""
        parts = json.loads(text)
        if not isinstance(parts, dict) or not all(isinstance(part, str) for part in parts.values()):
            raise ValueError("this is no fingerprint")
        return cls(parts)

    def to_json(self) -> str:
        """Return a text that :meth:`from_json` reads."""
        return json.dumps(dict(self.parts), indent=2) + "\n"

    def differences(self, other: Fingerprint) -> tuple[str, ...]:
        """Return the names of the parts that differ, or that one of the two lacks."""
        names = dict.fromkeys([*self.parts, *other.parts])
        return tuple(name for name in names if self.parts.get(name) != other.parts.get(name))


def fingerprint_of(
    *,
    estimator: Any,
    candidates_source: Sequence[Mapping[str, Any]],
    data: SearchData,
    folds: Sequence[tuple[Any, Any]],
    scorers: Any,
    metrics: Sequence[str] | None,
    error_score: Any,
    return_train_score: bool,
    threads: int,
) -> Fingerprint:
    """Return the fingerprint of a search.

    Parameters
    ----------
    estimator : estimator
        None of its numbers is drawn: it is copied before it is asked for its parameters.
    candidates_source : sequence of mappings
        The parameters of each candidate.
    data : SearchData
    folds : sequence of (train, test)
        Index arrays.
    scorers, metrics, error_score, return_train_score
        See :class:`~sparksweep.search.fit.FitSettings`.
    threads : int
        Of every fit.

    Raises
    ------
    ConfigError
        If there is no telling whether two objects are the same, such as two locks.
    """
    digests = _Digests()

    def digest(part: str, value: Any) -> str:
        try:
            return digests.of(value).hex()
        except (TypeError, AttributeError, PicklingError) as error:
            raise ConfigError(
                f"journal: the search's {part} cannot be compared with those of a later search ({error}): "
                "leave journal out"
            ) from error

    config = {name: value for name, value in sklearn.get_config().items() if name not in _DISPLAY}
    parts = {
        "X": digest("X", data.X),
        "y": digest("y", data.y),
        "fit parameters": digest("fit parameters", dict(data.fit_params)),
        "scorer parameters": digest("scorer parameters", dict(data.score_params)),
        "folds": digest("folds", [fold_key(*fold) for fold in folds]),
        "estimator": digest("estimator", estimator),
        "parameters": digest("parameters", [dict(candidate) for candidate in candidates_source]),
        "scorers": digest("scorers", (scorers, None if metrics is None else tuple(metrics))),
        "error_score": error_score if isinstance(error_score, str) else repr(float(error_score)),
        "return_train_score": str(bool(return_train_score)),
        "threads": str(threads),
        "scikit-learn configuration": digest("scikit-learn configuration", config),
    }
    return Fingerprint({**parts, "versions": _versions(digests.packages)})


def candidate_key(parameters: Mapping[str, Any]) -> str:
    """Return a key that tells a candidate from all others of a search."""
    return _Digests().of(dict(parameters)).hex()[:_KEY]


def fold_key(train: Any, test: Any) -> str:
    """Return a key that tells a fold from all others of a search."""
    return _Digests().of([_indices(train), _indices(test)]).hex()[:_KEY]


def _indices(rows: Any) -> Any:
    rows = np.asarray(rows)
    return rows.astype(np.int64, copy=False) if rows.dtype.kind in "iu" else rows


class _Digests:
    """Digests of values by content. ``packages`` collects where their classes and functions come from."""

    def __init__(self) -> None:
        self.packages: set[str] = set()
        self._open: set[int] = set()
        self._code_digests: dict[Any, bytes] = {}
        self._keeps_fitted = False
        self._is_copy = False

    def of(self, value: Any) -> bytes:
        """Return the SHA-1 of a value's content."""
        if isinstance(value, type | FunctionType) and value in self._code_digests:
            return self._code_digests[value]
        if id(value) in self._open:
            return _sha1([b"again", type(value).__qualname__.encode()])
        self._open.add(id(value))
        try:
            digest = _sha1(self._pieces(value))
        finally:
            self._open.discard(id(value))
        if isinstance(value, type | FunctionType):
            self._code_digests[value] = digest
        return digest

    def _pieces(self, value: Any) -> Iterator[Any]:
        kind = type(value)
        if kind in _PLAIN:
            yield kind.__name__.encode()
            yield _plain_bytes(value)
        elif isinstance(value, np.ndarray | np.generic):
            yield from self._array(value)
        elif sparse.issparse(value):
            yield from self._sparse(value)
        elif kind.__module__.partition(".")[0] == "pandas":
            yield from self._pandas(value)
        elif kind in (list, tuple):
            yield kind.__name__.encode()
            yield from self._sequence(value)
        elif isinstance(value, Mapping):
            yield self.of(kind)
            yield from (piece for pair in sorted(self._pairs(value)) for piece in pair)
        elif isinstance(value, set | frozenset):
            yield self.of(kind)
            yield from sorted(map(self.of, value))
        elif isinstance(value, np.random.RandomState):
            yield b"random state"
            yield self.of(value.get_state(legacy=False))
        elif isinstance(value, MetadataRequest):
            yield repr(value).encode()  # without the estimator that it belongs to
        elif isinstance(value, type | FunctionType | MethodType | CodeType | ModuleType):
            yield from self._code(value)
        elif hasattr(value, "get_params") and not self._keeps_fitted:
            yield from self._estimator(value)
        else:
            yield from self._object(value)

    def _array(self, value: Any) -> Iterator[Any]:
        array = np.asarray(value)
        order = "C" if array.flags.c_contiguous else "F" if array.flags.f_contiguous else "none"
        name = "ndarray" if isinstance(value, np.memmap) else type(value).__name__
        yield repr((name, order, np.lib.format.dtype_to_descr(array.dtype), array.shape)).encode()
        if isinstance(value, np.ma.MaskedArray):
            yield self.of(np.ma.getmaskarray(value))
        if array.dtype.hasobject:
            yield self.of(array.ravel().tolist())
        elif array.nbytes and order != "none":
            yield (array if order == "C" else array.T).reshape(-1).view(np.uint8)
        elif array.nbytes:
            rows = max(1, _BLOCK * len(array) // array.nbytes)
            for start in range(0, len(array), rows):
                yield np.ascontiguousarray(array[start : start + rows]).reshape(-1).view(np.uint8)

    def _sparse(self, value: Any) -> Iterator[Any]:
        yield repr((type(value).__name__, value.shape)).encode()
        if value.format in ("csr", "csc", "bsr"):
            stored = int(value.indptr[-1])  # the arrays may be longer
            yield from map(self.of, (value.indptr, value.indices[:stored], value.data[:stored]))
        else:
            value = value.tocoo()
            coords = value.coords if hasattr(value, "coords") else (value.row, value.col)
            yield from map(self.of, (*coords, value.data))

    def _pandas(self, value: Any) -> Iterator[Any]:
        import pandas as pd  # noqa: PLC0415 - slow, and here it has been imported already

        yield type(value).__name__.encode()
        if isinstance(value, pd.DataFrame):
            yield from (self.of(value.index), self.of(value.columns))
            kinds = set(value.dtypes)
            if len(kinds) == 1 and isinstance(kinds.pop(), np.dtype):
                yield self.of(value.to_numpy())
            else:
                for column in range(value.shape[1]):
                    yield from self._column(value.iloc[:, column])
        elif isinstance(value, pd.Series):
            yield from (self.of(value.name), self.of(value.index))
            yield from self._column(value)
        elif isinstance(value, pd.MultiIndex):
            yield from (self.of(value.get_level_values(level)) for level in range(value.nlevels))
        elif isinstance(value, pd.Index):
            yield self.of(value.name)
            yield from self._column(value)
        else:
            yield from self._object(value)

    def _column(self, values: Any) -> Iterator[Any]:
        import pandas as pd  # noqa: PLC0415 - as above

        yield str(values.dtype).encode()
        if isinstance(values.dtype, np.dtype):
            yield self.of(values.to_numpy())
        elif isinstance(values.dtype, pd.CategoricalDtype):
            yield from map(self.of, (values.dtype.categories, values.dtype.ordered, values.array.codes))
        else:
            yield self.of(pd.util.hash_array(values.array))

    def _sequence(self, values: Sequence[Any]) -> Iterator[Any]:
        kinds = set(map(type, values))
        if kinds in ({float}, {bool}):
            yield from (kinds.pop().__name__.encode(), np.array(values).view(np.uint8))
        elif kinds == {int} and all(-(2**63) <= number < 2**63 for number in values):
            yield from (b"int", np.array(values, np.int64).view(np.uint8))
        elif kinds == {str}:
            yield from (b"str", np.array([len(text) for text in values]).view(np.uint8))
            yield "".join(values).encode("utf-8", "surrogatepass")
        else:
            yield from map(self.of, values)

    def _pairs(self, value: Mapping[Any, Any]) -> Iterator[tuple[bytes, bytes]]:
        return ((self.of(key), self.of(entry)) for key, entry in value.items())

    def _estimator(self, value: Any) -> Iterator[Any]:
        clone_method = getattr(type(value), "__sklearn_clone__", None)
        if clone_method is not None and clone_method is not BaseEstimator.__sklearn_clone__:
            # A clone of it keeps more than parameters, maybe what was fitted.
            self._keeps_fitted = True
            try:
                yield from self._object(value)
            finally:
                self._keeps_fitted = False
            return
        if not self._is_copy:
            # Asking an XGBoost estimator for its parameters draws a number from its RandomState.
            self._is_copy = True
            try:
                yield self.of(copy.deepcopy(value))
            finally:
                self._is_copy = False
            return
        yield self.of(type(value))
        yield self.of(value.get_params(deep=False))
        kept = {name: vars(value)[name] for name in _KEPT_BY_CLONE if name in getattr(value, "__dict__", ())}
        yield self.of(kept)

    def _object(self, value: Any) -> Iterator[Any]:
        """Tell an object by what pickle would keep of it."""
        reduce = copyreg.dispatch_table.get(type(value))
        reduced = value.__reduce_ex__(4) if reduce is None else reduce(value)
        wrapped = getattr(value, "__wrapped__", None)
        if isinstance(wrapped, FunctionType):  # a compiled or cached function
            yield from (self.of(type(value)), self.of(wrapped))
        elif isinstance(reduced, str):
            module = getattr(value, "__module__", None) or ""
            self.packages.add(module.partition(".")[0])
            yield f"{module} {reduced}".encode()
        else:
            make, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
            yield from map(self.of, (make, arguments, state, list(items or ()), dict(pairs or ())))

    def _code(self, value: Any) -> Iterator[Any]:
        """Tell a class, a function, or its code."""
        if isinstance(value, ModuleType):
            self.packages.add(value.__name__.partition(".")[0])
            yield value.__name__.encode()
        elif isinstance(value, CodeType):
            yield value.co_code
            yield from map(self.of, (value.co_names, value.co_varnames, value.co_freevars, value.co_consts))
            yield repr((value.co_argcount, value.co_posonlyargcount, value.co_kwonlyargcount)).encode()
            yield getattr(value, "co_exceptiontable", b"")  # Python 3.11 and later
        elif isinstance(value, MethodType):
            yield from (self.of(value.__func__), self.of(value.__self__))
        else:
            yield f"{value.__module__} {value.__qualname__}".encode()
            if not self._is_published(value):
                yield from self._function(value) if isinstance(value, FunctionType) else self._class(value)

    def _function(self, value: FunctionType) -> Iterator[Any]:
        yield from map(self.of, (value.__code__, value.__defaults__, value.__kwdefaults__))
        for cell in value.__closure__ or ():
            try:
                content = cell.cell_contents
            except ValueError:  # not filled yet
                content = None
            yield self.of(content)
        names = _names(value.__code__)
        for name in sorted(names & value.__globals__.keys()):
            yield from self._named(name, value.__globals__[name], names)

    def _class(self, value: type) -> Iterator[Any]:
        yield from map(self.of, value.__bases__)
        for name, member in sorted(vars(value).items()):
            for part in (member.fget, member.fset) if isinstance(member, property) else (member,):
                function = getattr(part, "__func__", getattr(part, "func", part))
                if isinstance(function, FunctionType) or not name.startswith("__"):
                    yield from self._named(name, function)

    def _named(self, name: str, value: Any, names: Set[str] = frozenset()) -> Iterator[Any]:
        """Tell what a name in code stands for; of a module of the user's, what the other names stand for."""
        if isinstance(value, type | FunctionType | ModuleType) or _is_constant(value):
            with suppress(TypeError):  # a function may keep what cannot be told, such as a lock
                yield from (name.encode(), self.of(value))
        if isinstance(value, ModuleType) and not _is_known(value.__name__):
            for inner in sorted(names & vars(value).keys()):
                yield from self._named(inner, vars(value)[inner], names - {inner})

    def _is_published(self, value: Any) -> bool:
        """Return whether a class or function is what its name says in a package of a known version."""
        module = value.__module__ or ""
        self.packages.add(module.partition(".")[0])
        found: Any = sys.modules.get(module)
        for name in value.__qualname__.split("."):
            found = getattr(found, name, None)
        return found is value and _is_known(module)


def _sha1(pieces: Iterator[Any] | Sequence[Any]) -> bytes:
    digest = hashlib.sha1(usedforsecurity=False)
    for piece in pieces:
        digest.update(memoryview(piece).nbytes.to_bytes(8, "little"))
        digest.update(piece)
    return digest.digest()


def _plain_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return hex(value).encode() if isinstance(value, int) else repr(value).encode()


def _is_constant(value: Any) -> bool:
    if isinstance(value, tuple | list | set | frozenset):
        return all(map(_is_constant, value))
    if isinstance(value, dict):
        return all(map(_is_constant, value.items()))
    return isinstance(value, (*_PLAIN, np.ndarray, np.generic))


def _is_known(module: str) -> bool:
    """Return whether the version says what a module holds."""
    package = module.partition(".")[0]
    return package in sys.stdlib_module_names or _version(package) is not None


def _names(code: CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _versions(packages: set[str]) -> str:
    known = {package: _version(package) for package in {"numpy", "scipy", "sklearn", *packages}}
    told = {name: version for name, version in known.items() if version is not None}
    told["scikit-learn"] = told.pop("sklearn", sklearn.__version__)
    told["python"] = ".".join(platform.python_version_tuple()[:2])
    told["sparksweep"] = __version__
    return ", ".join(f"{name} {version}" for name, version in sorted(told.items()))


@cache
def _version(package: str) -> str | None:
    """Return the version of an installed package; None for the user's own code, also if it is installed."""
    if package == "sparksweep":
        return __version__
    installed = _distributions().get(package)
    if installed is None or '"editable": true' in (installed.read_text("direct_url.json") or ""):
        return None
    return installed.version


@cache
def _distributions() -> dict[str, Distribution]:
    """Return what is installed, by the name that is imported: ``xgboost`` may come from ``xgboost-cpu``."""
    found: dict[str, Distribution] = {}
    for installed in distributions():
        # The standard library's own function for this finds few packages before Python 3.11.
        declared = (installed.read_text("top_level.txt") or "").split()
        files = (path for path in installed.files or () if path.suffix in (".py", ".so"))
        for package in declared or {path.parts[0].partition(".")[0] for path in files}:
            found.setdefault(package, installed)
    return found
