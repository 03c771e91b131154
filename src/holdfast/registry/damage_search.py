"""What is wrong with a version's bytes, found by hashing all of them."""

from msgspec import Struct, field

from holdfast.core.manifest import File, Manifest, encode
from holdfast.core.state import Record
from holdfast.core.views import Damage, Remark
from holdfast.errors import HoldfastError
from holdfast.registry.session import Session
from holdfast.store import layout
from holdfast.store.metering import Progress


class DamageSearch(Struct):
    """What one run counted and found."""

    models: int = 0
    versions: int = 0
    entries: int = 0
    files: dict[str, File] = field(default_factory=dict)
    users: dict[str, list[tuple[str | None, str | None, str]]] = field(default_factory=dict)
    damages: list[Damage] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)

    def expect(self, file: File, model: str | None, version: str | None) -> None:
        """Note that a version needs a blob."""
        self.files[file.sha256] = file
        self.users.setdefault(file.sha256, []).append((model, version, file.path))


def version_damages(session: Session, model: str, record: Record) -> tuple[Damage, ...]:
    """Say what is wrong with one version's bytes."""
    findings = DamageSearch()
    if session.open_store.store.traits.is_local:
        expect_version(session, model, record, findings)
    else:
        _expect_known(session, model, record, findings)
    check_files(session, findings, None)
    return tuple(findings.damages)


def expect_version(
    session: Session, model: str, record: Record, findings: DamageSearch
) -> Manifest | None:
    """Note the blobs of a version; one whose manifest cannot be read is damaged."""
    try:
        size_bytes = len(session.open_store.blobs.read(record.manifest))
        manifest = session.manifest(record)
    except HoldfastError as error:
        findings.damages.append(
            Damage(model, record.version, layout.blob(record.manifest), str(error))
        )
        return None
    findings.expect(File("manifest.json", record.manifest, size_bytes), model, record.version)
    if record.status != "purged":
        for file in manifest.files:
            findings.expect(file, model, record.version)
    return manifest


def _expect_known(session: Session, model: str, record: Record, findings: DamageSearch) -> None:
    """Have a version's bytes hashed all at once, if its manifest was read here already."""
    try:
        manifest = session.manifest(record)
    except HoldfastError:
        expect_version(session, model, record, findings)  # which reports what is wrong
        return
    files = [File("manifest.json", record.manifest, len(encode(manifest)))]
    for file in [*files, *(manifest.files if record.status != "purged" else ())]:
        findings.expect(file, model, record.version)


def check_files(session: Session, findings: DamageSearch, progress: Progress | None) -> None:
    """Hash every blob that was noted, and note those that are damaged with whoever needs them."""
    for file, damage in session.open_store.blobs.check_all(list(findings.files.values()), progress):
        if damage is None:
            continue
        for model, version, path in findings.users[file.sha256]:
            if not _given_up(session, file.sha256, model, version):
                subject = path if version is None else f"{path} ({layout.blob(file.sha256)})"
                findings.damages.append(Damage(model, version, subject, damage.problem))


def _given_up(session: Session, sha256: str, model: str | None, version: str | None) -> bool:
    """Tell whether a version was purged, and its bytes collected, since it was looked at."""
    if model is None or version is None:
        return False
    record = session.state(model).versions[version]
    is_referenced = sha256 == record.manifest or sha256 in record.attached
    return record.status == "purged" and not is_referenced
