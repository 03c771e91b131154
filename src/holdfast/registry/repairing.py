"""`repair`: fetch what is damaged from a copy, make anew what is derived; a plan comes first.

Nothing is overwritten: bytes are verified before they take a damaged file's place, and the damaged
file is set aside. An entry is taken only if the chain says that it stood there.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from msgspec import Struct

from holdfast.core import entry as entries
from holdfast.core import manifest as manifests
from holdfast.core import strict_json
from holdfast.core.manifest import File, Manifest
from holdfast.core.names import check_model
from holdfast.core.state import Record, State, empty, fold
from holdfast.core.views import Damage
from holdfast.errors import DamagedError, HoldfastError
from holdfast.registry import whereabouts
from holdfast.registry.copies import Candidate, Copies
from holdfast.registry.missing import lost
from holdfast.registry.session import Session
from holdfast.registry.verifying import stored
from holdfast.signing import genuine
from holdfast.store import AbsentError, layout, projections
from holdfast.store.journal import Journal
from holdfast.store.projections import Pointer

Action = Literal["fetch", "set aside", "rebuild"]


class Mend(Struct, frozen=True):
    """One thing that is put right.

    Attributes:
        subject: The file, or the folder of a model whose derived files are made anew.
        problem: What is wrong with it.
        source: Where the good bytes are from, `None` where none are needed.
    """

    model: str | None
    subject: str
    action: Action
    problem: str
    source: str | None = None


class Repair(Struct, frozen=True):
    """What is repaired, or is to be, and what cannot be."""

    mends: tuple[Mend, ...]
    left: tuple[Damage, ...]

    @property
    def whole(self) -> bool:
        """True if no damage is left."""
        return not self.left


@dataclass(frozen=True, slots=True)
class _Step:
    mend: Mend
    do: Callable[[], None]


def planned(session: Session, model: str | None, source: object) -> Repair:
    """Say what `repair` would do, without changing anything."""
    found = _Examination(session, Copies(session, source))
    found.examine(model)
    return Repair(tuple(step.mend for step in found.steps), tuple(found.left))


def repaired(session: Session, model: str | None, source: object) -> Repair:
    """Put right what can be: entries first, then bytes, then what is derived from both."""
    found = _Examination(session, Copies(session, source))
    found.examine(model)
    done = []
    for step in found.steps:
        try:
            step.do()
            done.append(step.mend)
        except (HoldfastError, OSError) as error:
            found.left.append(Damage(step.mend.model, None, step.mend.subject, str(error)))
    return Repair(tuple(done), tuple(found.left))


@dataclass(slots=True)
class _Examination:
    """Looks at everything, and notes the steps that would mend it, in order."""

    session: Session
    copies: Copies
    steps: list[_Step] = field(default_factory=list)
    left: list[Damage] = field(default_factory=list)
    needed: dict[str, tuple[File, str]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    def examine(self, model: str | None) -> None:
        """Examine one model, or all and the bytes that none needs."""
        if model is not None:
            check_model(model)
            self._model(model)
            if not self.steps and not self.left:
                self.session.state(model)  # there must be one
            return
        for folder in self.session.folders():
            self._folder(folder)
        for name in self.session.survey().lost:
            gone = lost(name)
            self.left.append(Damage(name, None, gone.subject, str(gone)))
            self.unread.append(layout.model(name))
        self._strays()

    def _folder(self, folder: str) -> None:
        prefix = f"{layout.MODELS}/{folder}"
        try:
            name = self.session.name_in(folder)
        except DamagedError as error:
            journal = Journal(self.session.place.store, prefix)
            name = self._name_by_others(journal, prefix)
            store = self.session.place.store
            seen = journal.numbers() or projections.pointer_at(store, layout.pointer_below(prefix))
            if name is None or not seen:
                self.left.append(Damage(None, None, error.subject, str(error)))
                self.unread.append(prefix)
                return
        if name is not None:
            self._model(name)

    def _name_by_others(self, journal: Journal, prefix: str) -> str | None:
        """Ask later entries, and the copy, whose journal this is."""
        told = (entries.model_of(_read(journal, seq)[0] or b"") for seq in journal.numbers())
        for name in [*told, *self.copies.models()]:
            if name is not None and layout.model(name) == prefix:
                return name
        return None

    def _model(self, model: str) -> None:
        before = len(self.steps)
        state = self._journal(model)
        if state is None or not state.seq:
            self.unread.append(layout.model(model))
            return
        self.needed.clear()
        known = [(record, self._manifest(model, record)) for record in state.ordered()]
        self._blobs(model)
        mended = len(self.steps) > before
        self._derived(state, [(record, found) for record, found in known if found], mended=mended)

    def _journal(self, model: str) -> State | None:
        """Walk a journal with its gaps filled from the copy; `None` if that cannot be done."""
        journal = Journal(self.session.place.store, layout.model(model))
        witness, last = self._end(model, journal)
        state = empty(model)
        for seq in range(1, last + 1):
            raw, problem = _read(journal, seq)
            wanted = _named_by_next(journal, seq, model)
            if witness is not None and seq == witness.seq:
                wanted = witness.head
            problem = problem or _problem(raw or b"", state, seq, wanted)
            if problem is not None:
                raw = self._entry(state, seq, journal.slot(seq), problem, wanted)
            try:
                if raw is None:
                    return None
                entry = entries.read(raw, model, seq, state.head)
                state = fold(state, [(entry, entries.digest(raw))], genuine=genuine)
            except (HoldfastError, LookupError, ValueError) as error:
                self.left.append(Damage(model, None, journal.slot(seq), str(error)))
                return None
        return state

    def _end(self, model: str, journal: Journal) -> tuple[Pointer | None, int]:
        """Return the pointer to be believed, and the number of the last entry there was.

        The pointer of a store that was copied beside a writer may have seen what was not copied:
        it is believed as far as there is a copy to fetch that from.
        """
        place = self.session.place
        witness = projections.read_pointer(place.store, model)
        last = max([0, *journal.numbers()])
        if witness is None or witness.seq <= last:
            return witness, last
        if not whereabouts.is_elsewhere(place, model, witness):
            return witness, witness.seq
        while last < witness.seq and self.copies.entry(model, last + 1) is not None:
            last += 1
        return (witness, last) if last == witness.seq else (None, last)

    def _entry(
        self, state: State, seq: int, slot: str, problem: str, wanted: str | None
    ) -> bytes | None:
        """Have an entry fetched, if the copy's fits the one before and the one after."""
        theirs = self.copies.entry(state.model, seq)
        misfit = _problem(theirs, state, seq, wanted) if theirs else "has none"
        if theirs is None or misfit is not None:
            told = f"{problem}; {self.copies.named}: {misfit}"
            self.left.append(Damage(state.model, None, slot, told))
            return None
        mend = Mend(state.model, slot, "fetch", problem, self.copies.named)
        self.steps.append(_Step(mend, functools.partial(self._put_back, state.model, seq, theirs)))
        return theirs

    def _put_back(self, model: str, seq: int, raw: bytes) -> None:
        journal = Journal(self.session.place.store, layout.model(model))
        self._make_room(journal.slot(seq))
        journal.append(seq, raw, _commit_of(raw))

    def _make_room(self, key: str) -> None:
        try:
            self.session.place.store.set_aside(key)
        except AbsentError:
            return

    def _manifest(self, model: str, record: Record) -> Manifest | None:
        """Read a version's manifest, here or in a copy, and note which files it needs."""
        file = File("manifest.json", record.manifest, 0)
        damage = self.session.place.blobs.check(record.manifest)
        if damage is None:
            raw = self.session.place.blobs.read(record.manifest)
        else:
            good = self._blob(file, damage.problem, model, None)
            raw = _bytes(good) if good else b""
        if not raw:
            return None
        try:
            manifest = manifests.decode(raw, record.manifest)
        except HoldfastError as error:
            key = layout.blob(record.manifest)
            self.left.append(Damage(model, record.version, key, str(error)))
            return None
        folder = layout.version(model, record.version)
        if record.status != "purged":
            self.needed |= {one.sha256: (one, folder) for one in manifest.files}
        for digest, what in record.attached.items():
            self.needed[digest] = (File(what, digest, 0), folder)
        return manifest

    def _blobs(self, model: str) -> None:
        files = [file for file, _folder in self.needed.values()]
        for file, damage in self.session.place.blobs.check_all(files):
            if damage is not None:
                self._blob(file, damage.problem, model, self.needed[file.sha256][1])

    def _blob(
        self, file: File, problem: str, model: str | None, folder: str | None
    ) -> Candidate | None:
        """Have a blob fetched from the first place that holds its bytes."""
        key = layout.blob(file.sha256)
        for candidate in self.copies.of(file, folder):
            if candidate.holds(file.sha256):
                mend = Mend(model, key, "fetch", f"{file.path}: {problem}", candidate.named)
                fetch = functools.partial(self._fetch, file.sha256, candidate)
                self.steps.append(_Step(mend, fetch))
                return candidate
        self.left.append(Damage(model, None, key, f"{file.path}: {problem}; no copy found"))
        return None

    def _fetch(self, sha256: str, candidate: Candidate) -> None:
        place = self.session.place
        with place.workplace() as folder:
            if candidate.copy(folder / "blob") != sha256:
                raise DamagedError(candidate.named, "its bytes changed meanwhile", "try again")
            self._make_room(layout.blob(sha256))
            place.blobs.add(folder / "blob")

    def _strays(self) -> None:
        """Have blobs set aside that no version needs and whose bytes are not what they say."""
        named = {step.mend.subject for step in self.steps} | {one.subject for one in self.left}
        items = [one for one in stored(self.session) if layout.blob(one.sha256) not in named]
        for file, damage in self.session.place.blobs.check_all(items):
            key = layout.blob(file.sha256)
            if damage is not None and self.unread:
                told = f"{damage.problem}; {self.unread[0]} may need it"
                self.left.append(Damage(None, None, key, told))
            elif damage is not None:
                mend = Mend(None, key, "set aside", damage.problem)
                self.steps.append(_Step(mend, functools.partial(self._make_room, key)))

    def _derived(self, state: State, known: list[tuple[Record, Manifest]], *, mended: bool) -> None:
        """Have what differs from the journal written anew."""
        place, prefix = self.session.place, layout.model(state.model)
        if state.policy.require_signature:
            self._seal(state.model)
        if place.known.is_stale(state.model):
            key = layout.known(state.model)
            mend = Mend(state.model, key, "rebuild", "differs from the journal")
            self.steps.append(_Step(mend, functools.partial(self._note, state.model)))
        stale = [
            found
            for record, manifest in known
            for found in place.projections.stale(state.model, record, manifest)
        ]
        if not projections.is_true(projections.read_pointer(place.store, state.model), state):
            stale.append((layout.pointer(state.model), "missing, or differs from the journal"))
        if mended and not stale:
            stale.append((prefix, "what is derived from the above"))
        rebuild = functools.partial(self._rebuild, state.model)
        for place_in_line, (key, problem) in enumerate(stale):
            mend = Mend(state.model, key, "rebuild", problem)
            self.steps.append(_Step(mend, _nothing if place_in_line else rebuild))

    def _note(self, model: str) -> None:
        """Write anew the file that says that a model has had entries."""
        self.session.place.store.delete(layout.known(model))
        self.session.place.known.write(model)

    def _rebuild(self, model: str) -> None:
        """Write anew what is derived, from the journal as it is by now."""
        place = self.session.place
        witness = projections.read_pointer(place.store, model)
        if witness is not None and whereabouts.is_elsewhere(place, model, witness):
            place.store.delete(layout.pointer(model))  # or it would accuse the journal
        self.session.forget(model)
        self.session.ledger(model).rebuild()

    def _seal(self, model: str) -> None:
        """Have the mark of a journal that demands signatures made anew, if it is not as it was."""
        prefix = layout.model(model)
        journal = Journal(self.session.place.store, prefix)
        problem = journal.seal_problem

        def mark() -> None:
            self._make_room(layout.seal(prefix))
            journal.seal()

        if problem is not None:
            self.steps.append(_Step(Mend(model, layout.seal(prefix), "rebuild", problem), mark))


def _nothing() -> None:
    """Do nothing: the first step of its kind did it all."""


def _bytes(candidate: Candidate) -> bytes:
    with candidate.open() as file:
        return file.read()


def _read(journal: Journal, seq: int) -> tuple[bytes | None, str | None]:
    """Return an entry's bytes, or what keeps them from being read."""
    try:
        raw = journal.read(seq)
    except HoldfastError as error:
        return None, str(error)
    return raw, "missing" if raw is None else None


class _Chained(Struct):
    prev: str | None
    commit: str


def _commit_of(raw: bytes) -> str:
    return strict_json.decode(raw, _Chained).commit


def _named_by_next(journal: Journal, seq: int, model: str) -> str | None:
    """Return the digest by which a sound next entry names this one, `None` if it cannot tell."""
    raw, _problem = _read(journal, seq + 1)
    try:
        prev = strict_json.decode(raw or b"", _Chained).prev
        entries.read(raw or b"", model, seq + 1, prev)
    except (HoldfastError, ValueError):
        return None
    return prev


def _problem(raw: bytes, state: State, seq: int, wanted: str | None) -> str | None:
    """Say why bytes cannot be entry *seq* behind *state* and before the entry that names it."""
    try:
        entries.read(raw, state.model, seq, state.head)
    except HoldfastError as error:
        return str(error)
    if wanted is not None and entries.digest(raw) != wanted:
        return "is another entry than the one that followed it has seen"
    return None
