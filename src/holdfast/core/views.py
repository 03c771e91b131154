"""What the registry tells people of versions and models, and what its verbs came to."""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from holdfast.core import approvals, evaluation, signers
from holdfast.core.drift.drift_findings import DriftFinding
from holdfast.core.evaluation import PastEvaluation
from holdfast.core.events import Attached
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.core.state import Record, State
from holdfast.core.wording import count, size

_STATUSES: Final = {"production": "g"}


class DesiredState(Struct, frozen=True):
    """Which versions of a model servers should hold, and how far its journal was read.

    Attributes:
        seq: Number of the last entry.
        production: The live version.
        previous: What a rollback goes to.
        left: What was live until the last move; it may come back.
        rollout: The running one.
        findings: Of drift, about the live version, that nobody acknowledged.
    """

    model: str
    seq: int
    production: str | None = None
    previous: str | None = None
    left: str | None = None
    rollout: Rollout | None = None
    findings: tuple[DriftFinding, ...] = ()


class AttachedArtifact(Struct, frozen=True):
    """What others keep beside a version: a bill of materials, a signature, an attestation.

    Attributes:
        kind: What it says it is, such as `application/spdx+json`; nobody here checked that.
        digest: `sha256:` and 64 hex digits of its manifest, by which OCI clients pull it.
    """

    kind: str
    digest: str


class VersionInfo(Struct, frozen=True, dict=True):
    """One version as it stands.

    Attributes:
        digest: `sha256:` and 64 hex digits of its manifest: its identity.
        metrics: With later evaluations merged over the manifest's.
        served: True if it was ever live.
        signed_by: Whose signatures it has: listed signers by name, others by their key's id.
            `verify` checks them.
        claimed: The approvers whom no signature of a listed key proves: anybody could have written
            their name.
        evaluations: What Holdfast measured, the last of each name; other metrics were told.
        reference: Where its bytes are said to be, where they were never taken in: nothing of it
            can be verified, loaded or promoted.
        run_link: Web address of the run that made it, where a tracker of runs was told one.
        attachments: What others pushed about it, in order, as long as its bytes are here.
    """

    model: str
    version: str
    number: int
    status: str
    digest: str
    registered_at: str
    registered_by: str
    size_bytes: int
    metrics: dict[str, float]
    aliases: tuple[str, ...]
    tags: dict[str, str]
    notes: tuple[str, ...]
    approvals: tuple[str, ...]
    held: str | None
    served: bool
    signed_by: tuple[str, ...] = ()
    claimed: tuple[str, ...] = ()
    evaluations: tuple[PastEvaluation, ...] = ()
    reference: str | None = None
    run_link: str | None = None
    attachments: tuple[AttachedArtifact, ...] = ()

    @property
    def size(self) -> str:
        """How much there is of it, for people."""
        return "reference" if self.reference is not None else size(self.size_bytes)

    @property
    def approved_by(self) -> tuple[str, ...]:
        """The approvers for people: `bob (claimed)` where nothing proves it."""
        return approvals.shown(self.approvals, self.claimed)

    @property
    def ref(self) -> str:
        """The exact ref, `iris@1.2.0`."""
        return f"{self.model}@{self.version}"

    def __str__(self) -> str:
        """Return the exact ref, so that a version can be passed wherever a ref is wanted."""
        return self.ref

    def drawn_with(self, pictures: Callable[[], Sequence[str]]) -> "VersionInfo":
        """Return itself; a notebook asks for the markup of *pictures* when it shows it.

        The value does not hold them: they are neither compared nor encoded.
        """
        self.__dict__["_pictures"] = pictures
        return self

    def _repr_html_(self) -> str:
        """Show the version in a notebook."""
        from holdfast.core import notebook  # noqa: PLC0415 - only notebooks need it

        tags = [f"{key}: {value}" if value else key for key, value in sorted(self.tags.items())]
        rows = [
            ("aliases", ", ".join(self.aliases)),
            ("registered", f"{notebook.moment(self.registered_at)} by {self.registered_by}"),
            ("tags", ", ".join(tags)),
            ("notes", "; ".join(self.notes)),
            ("approved by", ", ".join(self.approved_by)),
            ("signed by", ", ".join(self.signed_by)),
            ("held", self.held),
            ("size", self.size),
            ("bytes at", self.reference),
            ("digest", notebook.code(f"{self.digest.removeprefix('sha256:')[:12]}…")),
        ]
        heading = notebook.heading(self.ref, f"v{self.number}")
        status = notebook.line(self.status, _STATUSES.get(self.status, "m"))
        parts = [heading, status, notebook.facts(rows)]
        if self.metrics:
            sources = evaluation.origins(self.metrics, self.evaluations)
            metrics = [(name, value, sources[name]) for name, value in self.metrics.items()]
            parts.append(notebook.table(("metric", "value", ""), metrics))
        pictures = self.__dict__.get("_pictures")
        return notebook.view(*parts, *(pictures() if pictures is not None else ()))


class ModelInfo(Struct, frozen=True):
    """One registered model.

    Attributes:
        versions: How many have their bytes.
        updated_at: Time of its last entry.
        damage: Why nothing more is known, `None` if its journal is sound.
    """

    model: str
    versions: int = 0
    production: str | None = None
    staging: str | None = None
    latest: str | None = None
    updated_at: str | None = None
    damage: str | None = None

    def _repr_html_(self) -> str:
        """Show the model in a notebook."""
        from holdfast.core import notebook  # noqa: PLC0415 - only notebooks need it

        rows = [
            ("live", self.production),
            ("staging", self.staging),
            ("newest", self.latest),
            ("last change", notebook.moment(self.updated_at)),
        ]
        damage = [notebook.line(self.damage, "b")] if self.damage else []
        heading = notebook.heading(self.model, count(self.versions, "version"))
        return notebook.view(heading, *damage, notebook.facts(rows))


class RegistrationResult(Struct, frozen=True):
    """The outcome of a registration.

    Attributes:
        created: False if the same content was registered under this version before.
        why: How it came to its version.
        same_bytes: The version whose files are, byte for byte, those of the new one; `None` if none
            with as many bytes is found among the last ones.
    """

    version: VersionInfo
    created: bool
    why: str
    same_bytes: str | None = None

    @property
    def ref(self) -> str:
        """The exact ref of the version."""
        return self.version.ref

    def __str__(self) -> str:
        """Return the exact ref."""
        return self.ref


class Moved(Struct, frozen=True):
    """The outcome of a verb that moves a name.

    Attributes:
        version: What the name stands for now.
        was: What it stood for before.
        changed: False if there was nothing to do.
        note: What happened, in a few words.
        remarks: What the gate saw and let pass.
        refused: Reasons of the gate that were passed over by force.
        head: The journal's last entry after it, `42:9d1f…`, to be kept elsewhere and pinned.
        rollout: Number of the rollout that ended by it, or that it undid.
    """

    model: str
    version: str | None
    was: str | None
    changed: bool
    note: str
    remarks: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    head: str | None = None
    rollout: int | None = None

    @property
    def ref(self) -> str:
        """The exact ref of the version."""
        return f"{self.model}@{self.version}"

    def __str__(self) -> str:
        """Return the exact ref."""
        return self.ref


class Damage(Struct, frozen=True):
    """Something that is not as it was written: *subject* names the file."""

    model: str | None
    version: str | None
    subject: str
    problem: str


class Remark(Struct, frozen=True):
    """Something odd that is not damage: *subject* names the file or the model."""

    model: str | None
    subject: str
    text: str


class Verification(Struct, frozen=True):
    """What hashing everything again found; no damages means that every byte is as it was written.

    Attributes:
        remarks: What is odd and no damage: times that cannot be right, files that others left.
    """

    models: int
    versions: int
    entries: int
    files: int
    size_bytes: int
    damages: tuple[Damage, ...]
    remarks: tuple[Remark, ...] = ()

    @property
    def whole(self) -> bool:
        """True if nothing is damaged."""
        return not self.damages


class SearchResult(Struct, frozen=True):
    """What a search came to.

    Attributes:
        versions: Those that match, in the order asked for, as many as were asked for.
        total: How many match.
        damages: Models and versions of which it is unknown whether they match.
    """

    versions: tuple[VersionInfo, ...]
    total: int
    damages: tuple[Damage, ...] = ()

    def _repr_html_(self) -> str:
        """Show the versions in a notebook."""
        from holdfast.core import notebook  # noqa: PLC0415 - only notebooks need it

        rows = [
            (
                info.ref,
                info.status,
                notebook.when(info.registered_at),
                info.registered_by,
                ", ".join(f"{name} {value:.6g}" for name, value in info.metrics.items()),
            )
            for info in self.versions
        ]
        parts = [notebook.line(f"{len(rows)} of {self.total}", "m")]
        parts += [
            notebook.line(f"{damage.subject} {damage.problem}", "b") for damage in self.damages
        ]
        table = notebook.table(("version", "status", "registered (UTC)", "by", "metrics"), rows)
        return notebook.view(*parts, table)


def _web_address(text: str | None) -> str | None:
    """Return an address that a page may link to: whoever registered a version wrote it."""
    if text is None or not text.startswith(("https://", "http://")):
        return None
    return text if text.isprintable() and " " not in text else None


def version_info(state: State, record: Record) -> VersionInfo:
    """Show one version."""
    return VersionInfo(
        model=state.model,
        version=record.version,
        number=record.number,
        status=record.status,
        digest=f"sha256:{record.manifest}",
        registered_at=record.registered_at,
        registered_by=record.registered_by,
        size_bytes=record.size_bytes,
        metrics=record.metrics,
        aliases=state.aliases_of(record.version),
        tags=record.tags,
        notes=record.notes,
        approvals=record.approvals,
        held=record.held,
        served=record.served,
        signed_by=signed_by(state, record),
        claimed=approvals.claimed(record),
        evaluations=record.evaluations,
        reference=record.reference,
        run_link=_web_address(record.texts.get("run_link")),
        attachments=() if record.status == "purged" else tuple(map(_attached, record.attachments)),
    )


def _attached(event: Attached) -> AttachedArtifact:
    return AttachedArtifact(event.kind, f"sha256:{event.manifest}")


class VersionPage(Struct, frozen=True):
    """Some of a model's versions, highest first.

    Attributes:
        total: How many it has, purged ones too.
        more: True if there are lower ones.
    """

    versions: tuple[VersionInfo, ...]
    total: int
    more: bool


def version_page(state: State, below: str | None, count: int) -> VersionPage:
    """Show the *count* highest versions, or those below one that the model has."""
    ordered = state.ordered()[::-1]
    start = 0
    if below is not None and below in state.versions:
        start = 1 + next(i for i, record in enumerate(ordered) if record.version == below)
    shown = tuple(version_info(state, record) for record in ordered[start : start + count])
    return VersionPage(shown, len(ordered), start + count < len(ordered))


def signed_by(state: State, record: Record) -> tuple[str, ...]:
    """Say whose signatures a version has, unknown keys by the first digits of their id."""
    return tuple(
        signers.name_of(state.policy.signers, signature.key)
        or f"key {signers.version_key_id(signature.key)[:12]}"
        for signature in record.signatures
    )


def model_info(state: State) -> ModelInfo:
    """Show one model."""
    return ModelInfo(
        model=state.model,
        versions=sum(1 for _ in state.present()),
        production=state.production,
        staging=state.staging,
        latest=state.latest(),
        updated_at=state.at,
    )
