"""Making a version once more: what that needs and lacks, and how like the outcome is.

Nothing is registered. The run is that of a retraining: its child, its limits, its context; in a
work tree of the recorded commit.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from holdfast import scratch
from holdfast.core.lineage_record import DataUse
from holdfast.core.manifest import PATCH, Manifest
from holdfast.core.retraining import slots
from holdfast.core.retraining.retraining_terms import ENTRY
from holdfast.core.retraining.slots import Window
from holdfast.datasets import data_digests, data_source
from holdfast.errors import HoldfastError, InvalidInputError, NotFoundError
from holdfast.registry import Registry, environments, scored_versions
from holdfast.retraining import (
    labelled_rows,
    likeness,
    run_code,
    run_context,
    run_results,
    training_process,
)
from holdfast.retraining.likeness import Likeness
from holdfast.retraining.retraining_run import EVALUATION, name_of_entry
from holdfast.retraining.training_process import ProcessLimits, Training
from holdfast.retraining.worktree import has_commit, has_submodules, worktree
from holdfast.sandbox.restraint import Mode

__all__ = ["Need", "Reproduced", "ReproductionRequest", "plan", "reproduce"]

_MOST_LISTED: Final = 12


class ReproductionRequest(Struct, frozen=True):
    """What is to be made once more.

    Attributes:
        ref: The version.
        folder: In the repository of its code.
        environment: Of the caller.
        paths: Where data is now, by the run's name for it.
        command: The program of a run that had one: its arguments are not recorded.
        tolerance: How far metrics may differ, relative.
        trusts_patch: Whether a patch that was kept is run: it is code of whoever registered it.
    """

    ref: str
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, Path] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    tolerance: float = 1e-6
    trusts_patch: bool = False
    limits: ProcessLimits = field(default_factory=ProcessLimits)
    sandbox: Mode = "auto"


class Need(Struct, frozen=True):
    """Something that a run needs.

    Attributes:
        what: `entry`, `commit`, `patch`, `data train`, `python`, `package numpy`, `processor`, …
        state: `missing` keeps it from being run; what `differs` may lead to another outcome.
        note: What was recorded, and what is here.
    """

    what: str
    state: Literal["there", "differs", "missing"]
    note: str


class Reproduced(Struct, frozen=True):
    """What making a version once more came to.

    Attributes:
        likeness: `None` if it was not run, or the training failed.
        problem: Why there is none.
        log: The end of what the training wrote, where it failed.
        met_limit: Whether it was ended at its limit of time or memory.
    """

    ref: str
    needs: tuple[Need, ...]
    likeness: Likeness | None = None
    problem: str = ""
    log: str = ""
    met_limit: bool = False

    @property
    def missing(self) -> tuple[Need, ...]:
        """What keeps it from being run."""
        return tuple(need for need in self.needs if need.state == "missing")


class _Prepared:
    """A version, the record of its run, and its data as far as it was found."""

    def __init__(self, registry: Registry, request: ReproductionRequest, home: Path) -> None:
        likeness.check_tolerance(request.tolerance)
        self.registry, self.request, self.home = registry, request, home
        self.info = registry.resolve(request.ref)
        self.manifest: Manifest = registry.manifest(self.info)
        self.record = registry.retrainings.run_of(self.info.model, self.info.version)
        self.paths: dict[str, Path] = {}
        self._looks = 0
        self.needs = tuple(self._needs())

    def _needs(self) -> Iterator[Need]:
        yield self._entry()
        yield from self._code()
        for name, use in self._used().items():
            yield self._data(name, use)
        for difference in environments.check(self.manifest)[:_MOST_LISTED]:
            yield Need(f"package {difference.name}", "differs", str(difference))
        yield from self._machine()

    def _used(self) -> dict[str, DataUse]:
        used = dict(self.manifest.lineage.used_data)
        for name, digest in (self.record.get("data") or {}).items():
            used.setdefault(str(name), DataUse(str(digest)))
        return used

    def _entry(self) -> Need:
        entry, command = self.manifest.lineage.entry, self.request.command
        if entry is UNSET:
            text = "none was recorded; register with --lineage entry=package.module:function"
            return Need("entry", "missing", text)
        if re.fullmatch(ENTRY, entry) is not None:
            return Need("entry", "there", entry)
        if command and name_of_entry("", command) == entry:
            return Need("entry", "there", entry)
        return Need("entry", "missing", f"{entry}: give that very command with --command")

    def _code(self) -> Iterator[Need]:
        lineage, folder = self.manifest.lineage, self.request.folder
        commit = lineage.git_commit
        if commit is None or not has_commit(folder, commit):
            remote = "" if lineage.remote is UNSET else f"; fetch it from {lineage.remote}"
            text = f"{commit} is not in the repository here{remote}"
            yield Need("commit", "missing", text if commit else "none was recorded")
            return
        yield Need("commit", "there", commit)
        if has_submodules(folder, commit):
            yield Need("submodules", "differs", "a work tree of the commit leaves them empty")
        if PATCH in self.manifest.artifacts:
            yield self._patch()
        elif lineage.git_dirty:
            yield Need("patch", "differs", "the work tree had changes that were not kept")

    def _patch(self) -> Need:
        """Have a patch reviewed: it comes from the store, and no commit vouches for it."""
        digest = f"sha256:{self.manifest.artifacts[PATCH].digest}"
        if self.request.trusts_patch:
            return Need("patch", "there", digest)
        text = f"{digest} is code of whoever registered it; review it, then give --trust-patch"
        return Need("patch", "missing", text)

    def _data(self, name: str, use: DataUse) -> Need:
        """Find data by its digest: where it is said to be, by its name, or where it was."""
        what, notes = f"data {name}", []
        recorded = use.digest or f"rows {use.rows}"
        for path in self._places(name, use):
            if isinstance(path, HoldfastError):
                notes.append(str(path))
                continue
            try:
                digest = data_digests.of_data(data_digests.of_files({"": path}))[""]
            except InvalidInputError as error:
                notes.append(str(error))
                continue
            if digest == use.digest:
                self.paths[name] = path
                return Need(what, "there", f"{use.ref or path}: {digest}")
            if use.rows is not None and data_source.rows_of(path) == use.rows:
                self.paths[name] = path
                if use.digest is None:
                    return Need(what, "there", f"{use.ref or path}: {recorded}")
                text = f"{path}: other bytes of the same rows; {recorded} was recorded"
                return Need(what, "differs", text)
            notes.append(f"{path} has changed: its bytes are {digest}, {recorded} was recorded")
        advice = f"{recorded}: say where it is with --data {name}=PATH"
        return Need(what, "missing", "; ".join(notes) or advice)

    def _places(self, name: str, use: DataUse) -> Iterator[Path | HoldfastError]:
        if name in self.request.paths:
            yield self.request.paths[name].absolute()
            return
        if use.ref is not None:
            try:
                self._looks += 1
                place = self.home / "data" / str(self._looks)
                yield self.registry.data.located(use.ref, place)[1]
            except HoldfastError as error:
                yield error
        elif use.path is not None:
            yield self.request.folder / use.path

    def _machine(self) -> Iterator[Need]:
        """Compare what the run recorded of its machine with this one."""
        here = run_code.machine()
        for key in ("python", "platform", "processor", "processors"):
            if key in self.record and self.record[key] != here[key]:
                yield Need(key, "differs", f"{self.record[key]} → {here[key]}")
        recorded = self.record.get("packages") or {}
        others = [name for name in recorded if recorded[name] != here["packages"].get(name)]
        listed = set(self.manifest.environment.packages)
        others = [name for name in sorted(others) if name not in listed]
        for name in others[:_MOST_LISTED]:
            text = f"{name} {recorded[name]} → {here['packages'].get(name, 'not installed')}"
            yield Need(f"package {name}", "differs", text)
        if len(others) > _MOST_LISTED:
            yield Need("packages", "differs", f"{len(others) - _MOST_LISTED} more")


def plan(registry: Registry, request: ReproductionRequest) -> Reproduced:
    """Say what making a version once more needs, and what of it is missing or differs."""
    with scratch.folder() as home:
        prepared = _Prepared(registry, request, home)
        return Reproduced(prepared.info.ref, prepared.needs)


def reproduce(registry: Registry, request: ReproductionRequest) -> Reproduced:
    """Make a version once more, and say how like it is; nothing is registered.

    Raises:
        InvalidInputError: If the work tree cannot be made, or the run left nothing usable.
        UnsupportedError: If this system cannot hold a training to its limits (Windows).
    """
    training_process.require_system()
    with scratch.folder() as home:
        prepared = _Prepared(registry, request, home)
        outcome = Reproduced(prepared.info.ref, prepared.needs)
        if outcome.missing:
            return replace(outcome, problem="not run: something that it needs is missing")
        manifest = prepared.manifest
        commit = manifest.lineage.git_commit or ""
        with worktree(request.folder, commit, _patch(registry, manifest, home), home) as tree:
            return _run(prepared, tree, outcome)


def _patch(registry: Registry, manifest: Manifest, home: Path) -> bytes | None:
    if PATCH not in manifest.artifacts:
        return None
    path = registry.fetch(f"{manifest.name}@{manifest.version}").paths[PATCH]
    return shutil.copyfile(path, home / "patch.diff").read_bytes()


def _folder(manifest: Manifest, tree: Path) -> Path:
    """Return where in a work tree the entry ran, which must be below it and have its module."""
    lineage = manifest.lineage
    inner = "" if lineage.folder is UNSET else lineage.folder
    folder = tree / inner
    if not folder.resolve().is_relative_to(tree.resolve()) or not folder.is_dir():
        raise InvalidInputError(f"folder {inner!r}", "does not exist in the commit", "check it")
    entry = "" if lineage.entry is UNSET else lineage.entry
    if re.fullmatch(ENTRY, entry) is not None:
        module = folder.joinpath(*entry.partition(":")[0].split("."))
        if not module.with_suffix(".py").is_file() and not (module / "__init__.py").is_file():
            problem = f"does not exist in the folder {inner or '.'} of the commit"
            advice = "an installed package would be other code than the commit's"
            raise InvalidInputError(f"module of {entry}", problem, advice)
    return folder


def _run(prepared: _Prepared, tree: Path, outcome: Reproduced) -> Reproduced:
    request, manifest, home = prepared.request, prepared.manifest, prepared.home
    lineage = manifest.lineage
    out, place = home / "out", home / "run"
    out.mkdir()
    place.mkdir()
    slot = lineage.slot if lineage.slot is not UNSET else slots.named(manifest.registered_at)
    seed = 0 if lineage.seed is UNSET else lineage.seed
    context = run_context.write(
        place / "context.json",
        out=out,
        window=_window(lineage.data_window),
        data=prepared.paths,
        slot=slot,
        seed=seed,
        champion=run_context.champion(prepared.registry, manifest.name, _live_then(prepared)),
    )
    settings = _settings(prepared.record)
    entry = "" if lineage.entry is UNSET else lineage.entry
    training = Training(
        command=request.command or run_context.command(context, entry),
        folder=_folder(manifest, tree),
        scratch=place,
        environment=request.environment,
        further={**settings, **run_context.variables(out, context, slot, seed)},
        seed=seed,
    )
    ended = training_process.run(training, request.limits)
    if ended.why != "ended" or ended.status:
        problem = f"the training failed: {ended.why}, status {ended.status}"
        log = ended.log.decode(errors="replace")
        return replace(outcome, problem=problem, log=log, met_limit=ended.met_limit)
    return replace(outcome, likeness=_likeness(prepared, out))


def _settings(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the numbers of threads and hash seeds of a run; what else its record says is not set.

    Whoever may write to the store may have written the record.
    """
    recorded = record.get("settings")
    settings = recorded if isinstance(recorded, dict) else {}
    pairs = ((str(name), str(value)) for name, value in settings.items())
    return {name: value for name, value in pairs if training_process.is_setting(name, value)}


def _window(text: str | None) -> Window | None:
    """Return a window as it was given; `None` for one in words, such as `last_90_days`."""
    try:
        return slots.window_of(text) if text else None
    except InvalidInputError:
        return None


def _live_then(prepared: _Prepared) -> str | None:
    """Return the version that was live when the version was registered."""
    info = prepared.info
    try:
        periods = prepared.registry.served(info.model, at=prepared.manifest.registered_at)
    except NotFoundError:
        return None
    live = [period.version for period in periods if period.until is None]
    return live[-1] if live and live[-1] != info.version else None


def _likeness(prepared: _Prepared, out: Path) -> Likeness:
    registry, request, manifest = prepared.registry, prepared.request, prepared.manifest
    result = run_results.read(out)
    row_sets = []
    if (example := likeness.example_rows(manifest, prepared.home)) is not None:
        row_sets.append(("input example", example))
    path = result.evaluation or prepared.paths.get(EVALUATION)
    if path is not None:
        row_sets.append(("evaluation rows", labelled_rows.read(path, result.label)))
    recorded = prepared.record.get("val_metrics") or manifest.metrics
    metrics = {
        name: value
        for name, value in recorded.items()
        if name in manifest.metrics and isinstance(value, int | float)
    }
    fetched = registry.fetch(prepared.info)
    trials = scored_versions.trials_of(request.sandbox)
    return likeness.compare(fetched, result, metrics, row_sets, trials, request.tolerance)
