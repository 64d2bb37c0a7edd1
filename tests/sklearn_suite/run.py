"""Runs scikit-learn's own tests of its searches on ours: ``make test-sklearn``.

The installed ``sklearn.model_selection.tests.test_search`` finds our GridSearchCV and RandomizedSearchCV where it
imports scikit-learn's, and one SparkContext for the whole run. What cannot hold stands in ``excluded.yml``,
test by test; a test in that list that passes, or that is not there, fails the run, and so does any that is skipped
for another reason than a missing array library. Arguments are pytest's own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sklearn
import yaml
from packaging.specifiers import SpecifierSet
from sklearn import model_selection

import sparksweep
from sparksweep.session import open_session
from tests.conftest import ROOT

SUITE = "sklearn.model_selection.tests.test_search"
EXCLUDED = ROOT / "tests" / "sklearn_suite" / "excluded.yml"

# scikit-learn itself skips these where the packages of other arrays than NumPy's are missing.
ARRAY_API = "not checking array_api input"


def excluded(version: str = sklearn.__version__) -> dict[str, str]:
    """Return the reason of each test of that version that cannot hold, by its id."""
    entries = yaml.safe_load(EXCLUDED.read_text(encoding="utf-8"))
    return {
        name: entry["reason"] for name, entry in entries.items() if version in SpecifierSet(entry["versions"])
    }


class OurSearches:
    """The pytest plugin of the run."""

    @pytest.fixture(scope="session", autouse=True)
    def _spark(self) -> Iterator[None]:
        conf = {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.memory": "1g",
            "spark.ui.enabled": "false",
            "spark.log.level": "ERROR",
        }
        with open_session("sparksweep-sklearn-suite", master="local[2,4]", conf=conf):
            yield

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        reasons = excluded()
        for item in items:
            module = item.getparent(pytest.Module).obj
            assert (module.__name__, module.GridSearchCV) == (SUITE, sparksweep.GridSearchCV)
            assert module.RandomizedSearchCV is sparksweep.RandomizedSearchCV
            if item.name in reasons:
                item.add_marker(pytest.mark.xfail(reason=reasons.pop(item.name), strict=True))
        if reasons:
            raise pytest.UsageError(f"{EXCLUDED.name} names tests that do not exist: {', '.join(reasons)}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        report = yield
        if report.skipped and not hasattr(report, "wasxfail") and ARRAY_API not in str(report.longrepr):
            report.outcome = "failed"
            report.longrepr = f"{item.name} was skipped: {report.longrepr}"
        return report


def main(arguments: list[str]) -> int:
    """Run the tests, and return pytest's exit code."""
    # Before the tests are imported: they make searches at import too.
    model_selection.GridSearchCV = sparksweep.GridSearchCV
    model_selection.RandomizedSearchCV = sparksweep.RandomizedSearchCV
    print(f"scikit-learn {sklearn.__version__}: {SUITE} on the searches of sparksweep", flush=True)
    own_settings = [
        "-c",
        "/dev/null",
        "--rootdir",
        str(Path(sklearn.__file__).parent),
        "-p",
        "no:cacheprovider",
    ]
    # pytest-spark would start a session with other settings.
    options = ["-p", "no:spark", "-q", "-rfEx", "-W", "ignore", "--pyargs", SUITE]
    return int(pytest.main([*own_settings, *options, *arguments], plugins=[OurSearches()]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
