"""An MLflow registry that is read: its models and versions, and where their bytes are."""

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlparse

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from msgspec import Struct

from holdfast.errors import InvalidInputError, NotFoundError
from holdfast.gateways.mlflow import model_folders
from holdfast.gateways.mlflow.new_versions import Found, finite
from holdfast.gateways.mlflow.sources import Tracking, local_folder
from holdfast.registry.facts import Facts

_Told = TypeVar("_Told")
_PAGE: Final = 1000
_MOST_DELETED: Final = 100_000
"""Versions that were deleted there and are made up here, so that numbers stay: each is an entry."""
_MOST_DIGITS: Final = 9
_MOST_EMPTY: Final = 100
_SCHEMES: Final = ("sqlite", "postgresql", "mysql", "mssql", "http", "https", "file", "")


class TheirVersion(Struct, frozen=True):
    """A version as MLflow tells it; there may be many, so no more is kept than is used."""

    name: str
    number: int
    source: str
    run_id: str | None
    run_link: str | None
    model_id: str | None
    description: str | None
    current_stage: str
    user_id: str | None
    creation_timestamp: int | None
    last_updated_timestamp: int | None
    tags: dict[str, str]


class TheirRegistry:
    """One registry of MLflow's.

    Args:
        uri: `sqlite:///mlflow.db`, `postgresql://…`, `http://server`, or the folder `mlruns`, which
            MLflow opens where `MLFLOW_ALLOW_FILE_STORE` is set.
        trust: Why files that run code outside the allow-list are accepted.
    """

    def __init__(self, uri: str, trust: str | None) -> None:
        self._uri = _checked(uri)
        self._client = MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
        self._tracking = Tracking(self._uri)
        self._locations: dict[tuple[str, int], str] = {}
        self._trust = trust

    def models(self) -> Iterator[Any]:
        """Go through the registered models."""
        pages = self._pages(self._client.search_registered_models)
        return _each_once(map(_named, pages), attrgetter("name"))

    def versions(self, name: str) -> list[TheirVersion]:
        """Return the versions of a model, by number.

        Raises:
            InvalidInputError: If what is told cannot be the versions of a model.
        """
        words = _filter(name)
        pages = self._pages(self._client.search_model_versions, *words)
        if not words:
            pages = (version for version in pages if version.name == name)
        kept = (_kept(name, version) for version in pages)
        versions = sorted(_each_once(kept, attrgetter("number")), key=attrgetter("number"))
        highest = versions[-1].number if versions else 0
        if highest > len(versions) + _MOST_DELETED:
            problem = f"has {len(versions):,} versions of {name!r} with numbers up to {highest:,}"
            advice = f"at most {_MOST_DELETED:,} that were deleted are filled in"
            raise InvalidInputError("MLflow", problem, advice)
        return versions

    def _pages(self, search: Callable[..., Any], *words: str) -> Iterator[Any]:
        token, empty = None, 0
        while empty < _MOST_EMPTY:
            page = _answered(search, *words, max_results=_PAGE, page_token=token)
            yield from page
            token, empty = page.token, 0 if page else empty + 1
            del page  # before there is a second one: each may take megabytes
            if not token:
                return
        raise _strange(f"answers with {empty} empty pages in a row")

    def facts(self, version: TheirVersion, found: Found) -> Facts:
        """Return what a registration is told of a version, much of it read in its folder."""
        facts: Facts = {"lineage": {"run_id": version.run_id}}
        if version.description:
            facts["description"] = version.description
        if found.folder is None:
            return facts
        told = model_folders.read(found.folder, self._trust)
        learnt = self._tracking.learnt(version.run_id or told.run_id, None)
        facts = {**told.facts, **facts}
        facts["metrics"] = finite(learnt["metrics"])
        facts["hyperparameters"] = dict(learnt["params"])
        if self._trust is not None:
            facts["trust"] = self._trust
        return facts

    def look(self, version: TheirVersion) -> Found:
        """Say where a version's bytes are, without fetching them."""
        source = version.source
        try:
            location = self._location(version)
            if urlparse(location).scheme in ("runs", "models"):
                location, _ = self._tracking.location(location)
            scheme = urlparse(location).scheme
        except Exception as error:  # noqa: BLE001 - a server elsewhere may raise anything
            return Found(None, source, version.run_id, _said(error))
        if scheme in ("", "file"):
            folder = local_folder(location)
            why = "" if folder else f"no folder with an MLmodel is at {location!r}"
            return Found(folder, location, version.run_id, why)
        return Found(None, location, version.run_id)

    def _location(self, version: TheirVersion) -> str:
        """Return where MLflow keeps a version's files.

        The client would read the whole model before it asks for one version. A database is not
        asked at all about a source that MLflow had nothing to look up for: it keeps that as it is.
        """
        source = version.source
        if not self._uri.startswith("http") and urlparse(source).scheme != "models":
            return source
        key = version.name, version.number
        if key not in self._locations:
            ask = self._client._get_registry_client().get_model_version_download_uri
            number = str(version.number) if self._uri.startswith("http") else version.number
            self._locations[key] = ask(version.name, number)  # PostgreSQL compares no text with one
        return self._locations[key]

    @contextlib.contextmanager
    def reached(self, version: TheirVersion) -> Iterator[Found]:
        """Have the folder of a version here, if it can be; what is fetched lives this long."""
        found = self.look(version)
        if found.folder is not None or found.why:
            yield found
            return
        with tempfile.TemporaryDirectory(prefix="holdfast-mlflow-") as scratch:
            yield self._fetched(found, Path(scratch))

    def _fetched(self, found: Found, scratch: Path) -> Found:
        try:
            folder = self._tracking.download(found.location, scratch)
        except Exception as error:  # noqa: BLE001 - a server elsewhere may raise anything
            return Found(None, found.location, found.run_id, _said(error))
        if not model_folders.is_one(folder):
            return Found(None, found.location, found.run_id, "no MLmodel is there")
        return Found(folder, found.location, found.run_id)


def _filter(name: str) -> list[str]:
    """Return what to search versions of a model by; nothing where MLflow has no words for it.

    Its filters have no way to write a quote between quotes of the same kind.
    """
    if "'" not in name:
        return [f"name = '{name}'"]
    return [] if '"' in name or "\\" in name else [f'name = "{name}"']


def _named(model: Any) -> Any:
    if not (model.name or "").strip():
        raise _strange("tells of a model without a name")
    return model


def _kept(name: str, version: Any) -> TheirVersion:
    text = str(version.version)
    if version.name != name:
        raise _strange(f"answers with a version of {version.name!r} instead of {name!r}")
    if not text.isdecimal() or len(text) > _MOST_DIGITS or int(text) < 1:
        raise _strange(f"gives a version of {name!r} the number {text[:40]!r}")
    return TheirVersion(
        name=version.name,
        number=int(text),
        source=version.source or "",
        run_id=version.run_id or None,
        run_link=version.run_link or None,
        model_id=getattr(version, "model_id", None) or None,
        description=version.description or None,
        current_stage=version.current_stage or "None",
        user_id=version.user_id or None,
        creation_timestamp=version.creation_timestamp,
        last_updated_timestamp=version.last_updated_timestamp,
        tags=dict(version._tags),
    )


def _answered(search: Callable[..., Any], *words: str, **how: Any) -> Any:
    """Ask for one page; what MLflow's client cannot read is an error of who answers."""
    try:
        return search(*words, **how)
    except MlflowException:
        raise
    except Exception as error:
        raise _strange(f"cannot be read: {_said(error)}") from error


def _each_once(told: Iterable[_Told], key: Callable[[_Told], Any]) -> Iterator[_Told]:
    """Go through what is told, and refuse what is told twice: it may be without end."""
    seen = set()
    for one in told:
        if key(one) in seen:
            raise _strange(f"tells of {key(one)!r} twice")
        seen.add(key(one))
        yield one


def _strange(problem: str) -> InvalidInputError:
    return InvalidInputError("MLflow", problem, "check the address")


def _said(error: Exception) -> str:
    """Return the first line of an error, and its kind where it says nothing."""
    return next(filter(None, str(error).splitlines()), type(error).__name__)


def _checked(uri: str) -> str:
    """Check that there is something to import: MLflow makes what is missing.

    Raises:
        InvalidInputError: If it is not the address of a registry of MLflow's.
        NotFoundError: If there is no such file or folder.
    """
    parsed = urlparse(uri)
    scheme = parsed.scheme.partition("+")[0]
    if scheme not in _SCHEMES:
        advice = "name sqlite:///FILE, postgresql://…, http://… or the folder mlruns"
        raise InvalidInputError(f"address {uri!r}", "is not one of MLflow's registries", advice)
    if scheme == "sqlite" and not Path(parsed.path.removeprefix("/")).is_file():
        raise NotFoundError(f"database {uri}", advice="check the path behind sqlite:///")
    if scheme in ("", "file"):
        folder = Path(parsed.path)
        if not folder.is_dir():
            raise NotFoundError(f"folder {uri}", advice="name the folder that holds `models`")
        return folder.resolve().as_uri()
    if uri.startswith("postgresql:") and not find_spec("psycopg2") and find_spec("psycopg"):
        return f"postgresql+psycopg{uri.removeprefix('postgresql')}"
    return uri
