"""The configuration of a job: one YAML file, checked key by key, with ``--set`` to override any of it."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from sklearn.metrics import get_scorer_names
from xgboost import XGBClassifier

from sparksweep.errors import ConfigError

__all__ = [
    "FEATURE_FAMILIES",
    "DataConfig",
    "FeaturesConfig",
    "JobConfig",
    "JobOptions",
    "ScoreConfig",
    "SearchConfig",
    "SparkConfig",
    "SweepJobConfig",
    "SweepOptions",
    "SyntheticConfig",
    "load_config",
    "parse_options",
    "parse_score_options",
    "parse_sweep_options",
]

Value = Literal["fraction", "indicator"]
_Config = TypeVar("_Config", bound=BaseModel)


def _without_secret(uri: str) -> str:
    # The message must not repeat the URI, since it goes to logs.
    if re.search(r"[?&](sig|sv|se|sp)=", uri):
        raise ValueError(
            "holds a shared access signature; secrets come from the environment: set AZURE_STORAGE_SAS_TOKEN"
        )
    return uri


def _without_password(place: bool | str) -> bool | str:
    if isinstance(place, str) and re.match(r"\w+://[^/@]*@", place):
        raise ValueError(
            "holds a secret, which comes from the environment: set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        )
    return place


def _known_metric(name: str) -> str:
    if name not in get_scorer_names():
        raise ValueError(f"there is no metric {name!r}{_nearest(name, get_scorer_names())}")
    return name


Uri = Annotated[str, Field(min_length=1), AfterValidator(_without_secret)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


# Whether MLflow keeps a history, or where.
History = Annotated[bool | str, AfterValidator(_without_password)]


class SyntheticConfig(_Section):
    """A dataset to write into ``input`` where nothing lies there yet."""

    scale: float = Field(gt=0)
    seed: int = Field(default=0, ge=0)


class DataConfig(_Section):
    """A matrix or table of the user's own, in the place of the competition's tables."""

    path: Uri
    label: str | None = None
    features: list[str] | None = None
    ignored: list[str] = Field(default_factory=list)
    task: Literal["classification", "regression"] = "classification"


class FeaturesConfig(_Section):
    """The feature families: each on, off, or with a ``value`` of its own."""

    value: Value = "fraction"
    brand_model: bool | Value = True
    weekday: bool | Value = True
    hour: bool | Value = True
    weekday_hour: bool | Value = True
    app: bool | Value = True
    label: bool | Value = True
    category: bool | Value = True
    word: bool | Value = True
    write: Uri | None = None
    read: Uri | None = None

    @model_validator(mode="after")
    def _some_family(self) -> FeaturesConfig:
        if not self.families:
            raise ValueError("every feature family is off; turn at least one on")
        if self.read is not None and self.write is not None:
            raise ValueError("give one of read and write: what is read need not be written")
        return self

    @property
    def families(self) -> dict[str, Value]:
        """The families that are on, in the order of their columns, each with its value."""
        asked = {name: getattr(self, name) for name in FEATURE_FAMILIES}
        return {name: self.value if is_on is True else is_on for name, is_on in asked.items() if is_on}


#: The names of the eight families, in the order of their columns.
FEATURE_FAMILIES = tuple(
    name for name in FeaturesConfig.model_fields if name not in ("value", "write", "read")
)


class SearchConfig(_Section):
    """What is searched, and how a candidate is scored."""

    metric: Annotated[str, AfterValidator(_known_metric)] | None = None
    folds: int = Field(default=5, ge=2)
    parameters: dict[str, Any] = Field(default_factory=dict)
    grid: dict[str, list[Any]] = Field(min_length=1)
    n_jobs: int | None = None
    threads: Annotated[int, Field(ge=1)] | Literal["spare"] | None = None
    refit_on: Literal["driver", "executor"] = "driver"

    @model_validator(mode="after")
    def _known_parameters(self) -> SearchConfig:
        known = XGBClassifier().get_params()
        for section, names in (("parameters", self.parameters), ("grid", self.grid)):
            for name in names:
                if name not in known:
                    raise ValueError(
                        f"{section}.{name}: XGBClassifier has no such parameter{_nearest(name, known)}"
                    )
        for name, values in self.grid.items():
            if not values:
                raise ValueError(f"grid.{name}: the list is empty; give at least one value")
            if name in self.parameters:
                raise ValueError(f"grid.{name}: it is fixed under parameters too; keep one of the two")
        return self


class SparkConfig(_Section):
    """What a job asks of a Spark session that it starts itself."""

    master: str | None = None
    conf: dict[str, str] = Field(default_factory=dict)


class JobConfig(_Section):
    """Everything that a sweep job reads from its file. conf/distributed_sweep.yml explains each key."""

    input: Uri | None = None
    data: DataConfig | None = None
    output: Uri = "output"
    cache: Uri = ".cache/sparksweep"
    staging: Uri | None = None
    malformed: Literal["fail", "drop"] = "fail"
    synthetic: SyntheticConfig | None = None
    features: FeaturesConfig = FeaturesConfig()
    search: SearchConfig
    history: History = True
    spark: SparkConfig = SparkConfig()

    @model_validator(mode="after")
    def _one_source(self) -> JobConfig:
        if (self.input is None) == (self.data is None):
            raise ValueError("give one of input (the competition's tables) and data (a table of your own)")
        if self.data is not None and self.malformed == "drop":
            raise ValueError("malformed is about the competition's tables; mend the table of your own")
        return self

    @property
    def metric(self) -> str:
        """The scorer: the one that is asked for, else what XGBoost itself minimises for the task."""
        is_regression = self.data is not None and self.data.task == "regression"
        return self.search.metric or ("neg_root_mean_squared_error" if is_regression else "neg_log_loss")

    @property
    def uris(self) -> tuple[str, ...]:
        """Where the job reads and writes."""
        own = None if self.data is None else self.data.path
        features = self.features
        return _given(self.input, own, self.output, self.cache, self.staging, features.read, features.write)


class ScoreConfig(_Section):
    """What a scoring job reads from its file. conf/score.yml explains each key."""

    run: Uri
    devices: Uri
    output: Uri
    cache: Uri = ".cache/sparksweep"
    staging: Uri | None = None
    malformed: Literal["fail", "drop"] = "fail"
    spark: SparkConfig = SparkConfig()

    @property
    def uris(self) -> tuple[str, ...]:
        """Where the job reads and writes."""
        return _given(self.run, self.devices, self.output, self.cache, self.staging)


class SweepJobConfig(_Section):
    """What a HyperDrive job's file has beside the language of Azure ML. conf/hyperdrive.yml explains it."""

    output: Uri = "output"
    history: History = True
    spark: SparkConfig = SparkConfig()


def _given(*uris: str | None) -> tuple[str, ...]:
    return tuple(uri for uri in uris if uri is not None)


@dataclass(frozen=True)
class JobOptions:
    """A job's command line: its configuration, and which run it goes on with.

    ``fresh`` begins a new run whatever lies there; ``resume`` names a run.
    """

    config: JobConfig
    fresh: bool = False
    resume: str | None = None


def parse_options(description: str, default: Path, arguments: Sequence[str] | None = None) -> JobOptions:
    """Read a job's command line and the configuration that it names.

    Raises
    ------
    ConfigError
        If the file or a value cannot be used. argparse itself exits with code 2 on an unknown option.
    """
    parser = _parser(
        description,
        default,
        "A run that was interrupted leaves its finished fits in its folder. The next run of the same "
        "configuration on the same data goes on with it. ",
        "search.folds=3 or --set search.grid.max_depth=[3,4]",
    )
    _add_which_run(parser)
    options = parser.parse_args(arguments)
    config = load_config(options.config, options.overrides)
    return JobOptions(config, fresh=options.fresh, resume=options.resume)


@dataclass(frozen=True)
class SweepOptions:
    """The command line of a HyperDrive job; ``fresh`` and ``resume`` as in :class:`JobOptions`.

    ``config`` holds the keys of the file that are ours, ``values`` the others, which are not checked yet.
    """

    path: Path
    config: SweepJobConfig
    values: dict[str, Any]
    fresh: bool
    resume: str | None


def parse_sweep_options(
    description: str, default: Path, arguments: Sequence[str] | None = None
) -> SweepOptions:
    """Read the command line of a HyperDrive job and the YAML file that it names.

    Raises
    ------
    ConfigError
        As for :func:`parse_options`.
    """
    parser = _parser(
        description,
        default,
        "A sweep that was interrupted leaves what it knows in its folder. The next one of the same "
        "configuration and code goes on with it. ",
        "limits.max_total_trials=20",
    )
    _add_which_run(parser)
    options = parser.parse_args(arguments)
    values = _read(options.config, options.overrides)
    own = {name: values.pop(name) for name in SweepJobConfig.model_fields if name in values}
    config = _checked(SweepJobConfig, options.config, own)
    return SweepOptions(options.config, config, values, fresh=options.fresh, resume=options.resume)


def _add_which_run(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--fresh", action="store_true", help="begin a new run, even if an unfinished one could go on"
    )
    which.add_argument(
        "--resume", metavar="RUN", help="go on with this unfinished run: the name of its folder in the output"
    )


def parse_score_options(
    description: str, default: Path, arguments: Sequence[str] | None = None
) -> ScoreConfig:
    """Read the command line of a scoring job and the configuration that it names.

    Raises
    ------
    ConfigError
        As for :func:`parse_options`.
    """
    parser = _parser(description, default, "", "spark.master=local[2]")
    parser.add_argument("--run", metavar="URI", help="the folder of a run, or of all runs")
    parser.add_argument("--devices", metavar="URI", help="the folder with the files of the new devices")
    parser.add_argument("--output", metavar="FILE", help="the CSV to write")
    options = parser.parse_args(arguments)
    named = {name: getattr(options, name) for name in ("run", "devices", "output")}
    return _load(ScoreConfig, options.config, options.overrides, named)


def _parser(description: str, default: Path, epilog: str, example: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description,
        epilog=f"{epilog}Credentials for blobs come from the environment: AZURE_STORAGE_CONNECTION_STRING; "
        "or AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN; or else the identity "
        "that DefaultAzureCredential finds.",
    )
    parser.add_argument(
        "--config", type=Path, default=default, metavar="FILE", help="the YAML file (default: %(default)s)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help=f"override a key, as in --set {example} (repeatable)",
    )
    return parser


def load_config(path: Path, overrides: Iterable[str] = ()) -> JobConfig:
    """Read and check a sweep job's YAML file.

    Parameters
    ----------
    path : path
    overrides : iterable of str
        ``key=value`` with a dotted key; the value is YAML.

    Raises
    ------
    ConfigError
        One sentence that names the file, the key and the remedy.
    """
    return _load(JobConfig, path, overrides, {})


def _load(model: type[_Config], path: Path, overrides: Iterable[str], named: Mapping[str, Any]) -> _Config:
    """Read a file; ``named`` are values of keys that go before all others, where they are not None."""
    values = _read(path, overrides)
    values |= {key: value for key, value in named.items() if value is not None}
    return _checked(model, path, values)


def _checked(model: type[_Config], path: Path, values: Mapping[str, Any]) -> _Config:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_sentence(error, model)}") from None


def _read(path: Path, overrides: Iterable[str]) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; name one with --config") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text: {error}") from None
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not YAML: {_one_line(error)}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must hold keys with values, such as 'input: data'")
    for override in overrides:
        _override(values, override)
    return values


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override}: write KEY=VALUE, such as search.folds=3")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: the value is not YAML: {_one_line(error)}") from None
    *path, last = key.split(".")
    section = values
    for name in path:
        inner = section.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {override}: {name} is a value, not a section with keys")
        section = inner
    section[last] = value


def _sentence(error: ValidationError, config: type[BaseModel]) -> str:
    first, *others = error.errors(include_url=False)
    key = ".".join(
        str(part) for part in first["loc"] if part not in ("bool", "literal['fraction','indicator']")
    )
    if first["type"] == "extra_forbidden":
        *parents, name = (str(part) for part in first["loc"])
        text = f"unknown key {key!r}{_nearest(name, _known_keys(config, parents))}"
    elif first["type"] == "missing":
        text = f"the key {key!r} is missing"
    else:
        reason = first["msg"].removeprefix("Value error, ")
        is_secret = "secret" in reason
        given = "" if first["type"] == "value_error" or is_secret else f", but {first['input']!r} was given"
        text = f"{key}: {reason}{given}" if key else reason
    return text if not others else f"{text} (and {len(others)} more to mend)"


def _known_keys(config: type[BaseModel], parents: Iterable[str]) -> Iterable[str]:
    model: Any = config
    for name in parents:
        annotation = model.model_fields[name].annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        model = next(
            option for option in options if isinstance(option, type) and issubclass(option, BaseModel)
        )
    return model.model_fields  # type: ignore[no-any-return]  # a mapping by name


def _nearest(name: str, known: Iterable[str] | Mapping[str, Any]) -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known are {', '.join(known)}" if len(known) <= 12 else ""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
