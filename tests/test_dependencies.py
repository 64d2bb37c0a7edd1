"""spark_dependencies.yml as the program reads it, and whether the four files that name versions agree."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from sparksweep import dependencies
from sparksweep.errors import ConfigError, SetupError

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONDA = yaml.safe_load((ROOT / "conda_dependencies.yml").read_text(encoding="utf-8"))
SPARK = dependencies.read()

MINIMAL = """
configuration: {spark.a: true, spark.b: 1}
repositories: []
excludes: [g:x]
packages:
  - {group: g, artifact: a, version: "1", hadoop: "3.3.4"}
  - {group: g, artifact: a, version: "2", hadoop: 3.4.1}
  - {group: h, artifact: b, version: "7"}
"""


def runtime() -> dict[str, Requirement]:
    wanted = map(Requirement, PROJECT["project"]["dependencies"])
    return {canonicalize_name(requirement.name): requirement for requirement in wanted}


def development() -> dict[str, Requirement]:
    wanted = map(Requirement, PROJECT["dependency-groups"]["dev"])
    return {canonicalize_name(requirement.name): requirement for requirement in wanted}


def locked() -> list[Requirement]:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    return [Requirement(line.split(" --hash")[0]) for line in text.splitlines() if line.strip()]


def machine(python: str, platform: str) -> dict[str, str]:
    return {
        "python_version": python,
        "python_full_version": f"{python}.1",
        "sys_platform": platform,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }


def applies(requirement: Requirement, environment: dict[str, str]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(environment)


def installed_by_lock(environment: dict[str, str]) -> dict[str, Version]:
    pins: dict[str, Version] = {}
    for requirement in locked():
        if applies(requirement, environment):
            name = canonicalize_name(requirement.name)
            (specifier,) = requirement.specifier
            assert specifier.operator == "=="
            assert name not in pins, f"{name} is pinned twice for {environment}"
            pins[name] = Version(specifier.version)
    return pins


@pytest.mark.parametrize("platform", ["linux", "darwin"])
@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_pins_every_dependency_within_its_range(python, platform):
    environment = machine(python, platform)
    pins = installed_by_lock(environment)
    for name, requirement in {**runtime(), **development()}.items():
        if not applies(requirement, environment):
            continue
        assert name in pins, f"make lock: {name} is not in requirements.lock for Python {python}"
        assert requirement.specifier.contains(pins[name], prereleases=True)


def test_every_pin_of_the_lock_has_a_hash_and_no_address():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = text.replace("\\\n", " ").splitlines()
    assert entries
    assert not [entry for entry in entries if "--hash=sha256:" not in entry]
    assert "://" not in text


def test_the_lock_leaves_out_what_only_several_gpus_use():
    assert not [requirement.name for requirement in locked() if "nccl" in requirement.name]


def conda_pins() -> dict[str, Requirement]:
    (pip,) = (entry["pip"] for entry in CONDA["dependencies"] if isinstance(entry, dict))
    return {canonicalize_name(requirement.name): requirement for requirement in map(Requirement, pip)}


# Of packages that others ask for: those that must be older there than in the lock. The file says why.
HELD = {"skops"}


def test_the_clusters_environment_has_every_runtime_dependency_but_spark():
    assert set(conda_pins()) == (set(runtime()) - {"pyspark"}) | HELD


def test_the_clusters_pins_lie_in_the_ranges_of_the_project():
    for name, pin in conda_pins().items():
        (specifier,) = pin.specifier
        assert specifier.operator == "=="
        if name in HELD:
            continue
        assert runtime()[name].specifier.contains(specifier.version), f"{pin} against {runtime()[name]}"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("numpy<1.24", "PySpark 3.3 calls np.bool"),
        ("pandas<2", "PySpark 3.3 calls DataFrame.iteritems"),
        ("xgboost<=3.0.5", "later wheels want glibc 2.28"),
        ("scikit-learn<=1.7.2", "later ones want Python 3.11"),
    ],
)
def test_the_clusters_pins_run_on_hdinsight(name, reason):
    bound = Requirement(name)
    (specifier,) = conda_pins()[bound.name].specifier
    assert bound.specifier.contains(specifier.version), reason


def test_all_files_speak_of_the_same_pythons():
    allowed = SpecifierSet(PROJECT["project"]["requires-python"])
    minors = [f"3.{minor}" for minor in range(20) if allowed.contains(f"3.{minor}.1")]
    assert minors == list(PYTHONS)
    classifiers = PROJECT["project"]["classifiers"]
    named = [entry.split(" :: ")[-1] for entry in classifiers if re.search(r":: 3\.\d+$", entry)]
    assert named == minors
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{minors[0].replace('.', '')}"
    assert PROJECT["tool"]["mypy"]["python_version"] == minors[0]
    (conda,) = (entry for entry in CONDA["dependencies"] if str(entry).startswith("python="))
    assert conda.removeprefix("python=") in minors
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (lowest, above) = re.findall(r"\((3), (\d+)\)", makefile)
    assert [f"3.{minor}" for minor in range(int(lowest[1]), int(above[1]))] == minors
    assert f"--python-version {minors[0]} " in makefile


def test_hadoop_azure_has_the_minor_version_of_the_hadoop_that_it_is_for():
    lines = [package for package in SPARK.packages if package.artifact == "hadoop-azure"]
    assert len({package.hadoop for package in lines}) == len(lines)
    for package in lines:
        ours, hadoop = Version(package.version), Version(package.hadoop or "")
        assert ours.release[:2] == hadoop.release[:2]
        assert ours >= hadoop


def test_the_installed_spark_has_its_hadoop_azure():
    hadoop = dependencies.hadoop_version()
    assert re.fullmatch(r"3\.\d+\.\d+", hadoop)
    (package,) = SPARK.packages_for(hadoop)
    assert package.name == "org.apache.hadoop:hadoop-azure"


@pytest.mark.parametrize(
    "name",
    [
        "spark.hadoop.fs.azure.account.key.devices.dfs.core.windows.net",
        "spark.hadoop.fs.azure.account.key.devices.blob.core.windows.net",
        "spark.hadoop.fs.azure.sas.container.devices.blob.core.windows.net",
        "spark.hadoop.fs.azure.sas.fixed.token.devices.dfs.core.windows.net",
        "spark.hadoop.fs.azure.account.oauth2.client.secret",
        "spark.hadoop.fs.azure.account.oauth2.refresh.token",
        "spark.hadoop.fs.azure.account.oauth2.user.password",
        "spark.hadoop.fs.azure.encryption.encoded.client-provided-key",
        "spark.executorEnv.AZURE_STORAGE_KEY",
        "spark.executorEnv.AZURE_STORAGE_CONNECTION_STRING",
        "spark.executorEnv.AZURE_STORAGE_SAS_TOKEN",
        "spark.executorEnv.AZURE_CLIENT_SECRET",
        "spark.hadoop.fs.s3a.access.key",
    ],
)
def test_the_redaction_covers_keys_and_tokens(name):
    assert re.search(SPARK.configuration["spark.redaction.regex"], name)


@pytest.mark.parametrize(
    "name", ["spark.master", "spark.hadoop.fs.azure.abfs.endpoint", "spark.sql.shuffle.partitions"]
)
def test_the_redaction_leaves_other_settings_readable(name):
    assert not re.search(SPARK.configuration["spark.redaction.regex"], name)


def test_packages_are_chosen_by_hadoop_and_become_spark_properties():
    known = dependencies.parse(MINIMAL)
    assert known.configuration == {"spark.a": "true", "spark.b": "1"}
    assert known.jars("3.3.4.5.1-17") == {"spark.jars.packages": "g:a:1,h:b:7", "spark.jars.excludes": "g:x"}
    assert known.jars("3.4.1")["spark.jars.packages"] == "g:a:2,h:b:7"


@pytest.mark.parametrize("hadoop", ["3.3.40", "3.3", "3.5.0"])
def test_a_hadoop_without_a_line_is_named(hadoop):
    with pytest.raises(SetupError, match=rf"no line of g:a for Hadoop {re.escape(hadoop)}, .* add one"):
        dependencies.parse(MINIMAL).packages_for(hadoop)


def test_the_options_for_spark_submit_survive_a_shell():
    content = MINIMAL.replace("spark.b: 1", "spark.b: \"-Da='1 2' $HOME (x|y)*\"")
    printed = dependencies.parse(content).submit_args("3.4.1")
    told = subprocess.run(
        ["bash", "-c", "eval \"printf '%s\\n' $(cat)\""],
        input=printed,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.splitlines() == [
        *("--conf", "spark.a=true"),
        *("--conf", "spark.b=-Da='1 2' $HOME (x|y)*"),
        *("--conf", "spark.jars.packages=g:a:2,h:b:7"),
        *("--conf", "spark.jars.excludes=g:x"),
    ]
    assert "spark.jars" not in dependencies.parse(content).submit_args(None)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("repositories", "repository", "the file has the unknown key repository: it knows configuration, "),
        ("excludes: [g:x]", "", "the file lacks the key excludes."),
        ("excludes: [g:x]", "excludes: g:x", "excludes must be a list of texts, not 'g:x'."),
        (
            "configuration: {spark.a: true, spark.b: 1}",
            "configuration: [1]",
            "configuration must hold Spark prop",
        ),
        ("group: h, ", "", "packages, entry 3 lacks the key group."),
        ("group: h, ", "group: h, url: x, ", "packages, entry 3 has the unknown key url: it knows group, "),
        (
            'version: "7"',
            "version: 7.0",
            "version of packages, entry 3 must be text, not 7.0: put it in quotes.",
        ),
        ("{group: h", "{group: [h", " is not YAML: "),
        (MINIMAL, "- a list", "the file must hold the keys configuration, repositories, excludes, packages."),
    ],
)
def test_a_fault_in_the_file_is_named(old, new, told):
    assert old in MINIMAL
    with pytest.raises(ConfigError) as caught:
        dependencies.parse(MINIMAL.replace(old, new))
    assert str(caught.value).startswith("spark_dependencies.yml")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_spark_without_hadoop_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    with pytest.raises(SetupError, match=rf"^{re.escape(str(tmp_path))} carries no Hadoop"):
        dependencies.hadoop_version()


def test_a_distributions_own_hadoop_jar_is_read(tmp_path, monkeypatch):
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "hadoop-common-3.3.4.5.1.1.jar").touch()
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    assert dependencies.hadoop_version() == "3.3.4.5.1.1"
