"""What may import what, read from the source: see docs/ARCHITECTURE.md for the order of the rooms.

A room is a module or a package right under ``sparksweep``. A room that does not exist yet breaks nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "lib" / "sparksweep"

BOTTOM = {"errors", "config", "java", "dependencies", "launch", "session", "storage"}
SWEEP = {"search", "history", "hyperdrive", "report", "targets"}
ABOVE = {"data", "features", *SWEEP, "pipeline", "daemon", "spark_sklearn", "__init__"}

# By room, the other rooms that it may import.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "config": {"errors"},
    "java": {"errors"},
    "dependencies": {"errors"},
    "launch": {"errors", "java", "dependencies"},
    "session": {"errors", "java", "dependencies", "launch"},
    "storage": {"errors"},
    "data": BOTTOM,
    "features": BOTTOM | {"data"},
    "search": BOTTOM,
    "history": BOTTOM,
    "hyperdrive": BOTTOM | {"search", "history"},
    "report": BOTTOM | {"search", "history", "hyperdrive"},
    "targets": BOTTOM | {"search", "history", "hyperdrive", "report"},
    "pipeline": BOTTOM | ABOVE - {"pipeline", "daemon", "spark_sklearn"},
    "daemon": {"features", "search"},
    "spark_sklearn": {"errors", "search"},
    "__init__": {"search"},
}

# By room inside of hyperdrive/, what else of hyperdrive/ it may import. Its own modules stand above its rooms.
HYPERDRIVE_MAY_IMPORT: dict[str, set[str]] = {
    "sampling": {"arguments"},
    "termination": {"arguments"},
    "inputs": set(),
    "child": {"arguments", "metrics", "inputs"},
    "driver": {"arguments", "metrics", "tags", "sampling", "termination", "child"},
}


def imports(tree: ast.Module, module: str, is_package: bool) -> Iterator[tuple[str, str | None]]:
    """Yield (module, name) of each import, relative ones resolved; the name of `import x` is None."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                ups = module.split(".")[: len(module.split(".")) - node.level + is_package]
                origin = ".".join([*ups, origin] if origin else ups)
            yield from ((origin, alias.name) for alias in node.names)


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def imported_modules(source: str, module: str, known: set[str], is_package: bool) -> set[str]:
    """Return the modules of ours that a source imports; the version is a mere constant of the package."""
    found = set()
    for origin, name in imports(ast.parse(source), module, is_package):
        if origin.split(".")[0] == "sparksweep" and (origin, name) != ("sparksweep", "__version__"):
            deeper = f"{origin}.{name}"
            found.add(deeper if deeper in known else origin)
    return found - {module}


def wrong_directions(edges: dict[str, set[str]]) -> list[str]:
    wrong = []
    for module, targets in sorted(edges.items()):
        room = room_of(module)
        if room not in MAY_IMPORT:
            wrong.append(
                f"{module} is in a room that this test does not know: give {room} a line in MAY_IMPORT"
            )
            continue
        wrong += [
            f"{module} imports {target}"
            for target in sorted(targets)
            if room_of(target) not in {room, *MAY_IMPORT[room]}
        ]
    return wrong


def wrong_directions_in_hyperdrive(edges: dict[str, set[str]]) -> list[str]:
    def inner(module: str) -> str:
        return module.removeprefix("sparksweep.hyperdrive.").split(".")[0]

    return [
        f"{module} imports {target}"
        for module, targets in sorted(edges.items())
        if room_of(module) == "hyperdrive" and inner(module) in HYPERDRIVE_MAY_IMPORT
        for target in sorted(targets)
        if room_of(target) == "hyperdrive"
        and inner(target) not in {inner(module), *HYPERDRIVE_MAY_IMPORT[inner(module)]}
    ]


def cycle(edges: dict[str, set[str]]) -> list[str]:
    """Return the modules of one cycle, or nothing."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def private_names(source: str, module: str, is_package: bool = False) -> list[str]:
    """Return the names with a leading underscore that a source takes from other packages or other rooms."""
    tree = ast.parse(source)
    private = []
    for origin, name in imports(tree, module, is_package):
        ours = origin.split(".")[0] == "sparksweep" and room_of(origin) == room_of(module)
        full = origin if name is None else f"{origin}.{name}"
        if not ours and any(map(is_private, full.split("."))):
            private.append(full)
    bound = {
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            root: ast.expr = node
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name) and root.id in bound:
                private.append(ast.unparse(node))
    return private


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.fixture(name="edges", scope="module")
def all_edges() -> dict[str, set[str]]:
    return {
        module: imported_modules(path.read_text("utf-8"), module, set(SOURCES), path.name == "__init__.py")
        for module, path in SOURCES.items()
    }


def test_the_source_is_found(edges):
    assert "sparksweep.errors" in SOURCES
    assert "sparksweep.errors" in edges["sparksweep.session"]


def test_imports_go_one_way(edges):
    assert wrong_directions(edges) == []


def test_imports_inside_of_hyperdrive_go_one_way(edges):
    assert wrong_directions_in_hyperdrive(edges) == []
    rooms = {path.name for path in (PACKAGE / "hyperdrive").iterdir() if (path / "__init__.py").is_file()}
    assert rooms == set(HYPERDRIVE_MAY_IMPORT)


def test_no_module_imports_itself_in_a_circle(edges):
    assert cycle(edges) == []


@pytest.mark.parametrize("module", SOURCES)
def test_no_private_name_comes_from_another_package_or_room(module):
    path = SOURCES[module]
    assert private_names(path.read_text("utf-8"), module, path.name == "__init__.py") == []


@pytest.mark.parametrize("path", sorted((ROOT / "jobs").glob("*.py")), ids=lambda path: path.name)
def test_jobs_take_no_private_name(path):
    assert private_names(path.read_text("utf-8"), f"jobs.{path.stem}") == []


# Each check above, fed with what it must find.

KNOWN = {
    "sparksweep",
    "sparksweep.data",
    "sparksweep.data.tables",
    "sparksweep.search",
    "sparksweep.search.fit",
}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import sparksweep.data.tables", {"sparksweep.data.tables"}),
        ("from sparksweep.data import tables", {"sparksweep.data.tables"}),
        ("from sparksweep.data import Tables", {"sparksweep.data"}),
        ("from sparksweep import data, GridSearchCV", {"sparksweep.data", "sparksweep"}),
        ("from .fit import fit", {"sparksweep.search.fit"}),
        ("from . import fit", {"sparksweep.search.fit"}),
        ("from ..data.tables import Tables", {"sparksweep.data.tables"}),
        ("def later():\n    from sparksweep.data import tables", {"sparksweep.data.tables"}),
        ("import numpy\nfrom sparksweepers import x", set()),
        ("from sparksweep import __version__", set()),
    ],
)
def test_every_form_of_import_is_seen(source, found):
    assert imported_modules(source, "sparksweep.search.grid", KNOWN, is_package=False) == found


def test_a_relative_import_in_a_package_starts_at_the_package():
    assert imported_modules("from .fit import fit", "sparksweep.search", KNOWN, is_package=True) == {
        "sparksweep.search.fit"
    }


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("sparksweep.search.grid", "sparksweep.data.tables"),
        ("sparksweep.data.tables", "sparksweep.features"),
        ("sparksweep.search.grid", "sparksweep.hyperdrive.sampling.samplers"),
        ("sparksweep.report.table", "sparksweep.pipeline"),
        ("sparksweep.features.build", "sparksweep.search"),
        ("sparksweep.session", "sparksweep.storage"),
        ("sparksweep.errors", "sparksweep.config"),
        ("sparksweep.search.grid", "sparksweep"),
        ("sparksweep", "sparksweep.pipeline"),
    ],
)
def test_an_import_against_the_order_is_found(module, target):
    assert wrong_directions({module: {target}}) == [f"{module} imports {target}"]


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("child.task", "driver.launcher"),
        ("inputs.dataset", "metrics"),
        ("termination.policies", "sampling.samplers"),
        ("driver.sweep", "run_config"),
    ],
)
def test_an_import_against_the_order_inside_of_hyperdrive_is_found(module, target):
    module, target = f"sparksweep.hyperdrive.{module}", f"sparksweep.hyperdrive.{target}"
    assert wrong_directions_in_hyperdrive({module: {target}}) == [f"{module} imports {target}"]


def test_an_unknown_room_is_found():
    (told,) = wrong_directions({"sparksweep.utils": set()})
    assert "give utils a line" in told


def test_a_circle_is_found():
    a, b, c = "sparksweep.search.a", "sparksweep.search.b", "sparksweep.search.c"
    assert set(cycle({a: {b}, b: {c}, c: {a}})) == {a, b, c}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (
            "from sklearn.model_selection._search import BaseSearchCV",
            "sklearn.model_selection._search.BaseSearchCV",
        ),
        ("from sklearn.utils import _safe_indexing", "sklearn.utils._safe_indexing"),
        ("import sklearn._config", "sklearn._config"),
        ("import sklearn\nsklearn.utils._print.x", "sklearn.utils._print"),
        ("import numpy as np\nnp._core", "np._core"),
        (
            "from pyspark import SparkContext\nSparkContext._active_spark_context",
            "SparkContext._active_spark_context",
        ),
        ("from sparksweep.data.tables import _columns", "sparksweep.data.tables._columns"),
        ("from sparksweep.data import tables\ntables._columns()", "tables._columns"),
        ("from ..data.tables import _columns", "sparksweep.data.tables._columns"),
    ],
)
def test_a_private_name_is_found(source, found):
    assert private_names(source, "sparksweep.search.grid") == [found]


@pytest.mark.parametrize(
    "source",
    [
        "from sparksweep.search.fit import _one_fit",
        "from .fit import _one_fit",
        "import numpy\nnumpy.__version__",
        "from __future__ import annotations",
        "class A:\n    def f(self):\n        return self._x",
    ],
)
def test_a_name_of_the_own_room_and_a_magic_one_are_fine(source):
    assert private_names(source, "sparksweep.search.grid") == []
