"""One version: whether it may go live, its card, files, lineage and people."""

from collections.abc import Iterator
from typing import Any, Final

from markupsafe import Markup
from msgspec import UNSET, structs

from holdfast.core import evaluation, wording
from holdfast.core.gate import Verdict
from holdfast.core.manifest import Manifest
from holdfast.core.training_record import FACTS
from holdfast.core.views import VersionInfo
from holdfast.errors import HoldfastError
from holdfast.web.below import session_of
from holdfast.web.pages import kept_pictures, slices_section, version_batches
from holdfast.web.pages.drawing import fact
from holdfast.web.pages.page import Answer, Asked, Drawn, Redirect, common
from holdfast.web.pages.page_paths import version_url
from holdfast.web.pages.visitor import Visitor

_CARD: Final = ("framework", "algorithm", "author")
_NESTED: Final = ("hyperparameters", "training_data", "metadata")


def page(visitor: Visitor, asked: Asked) -> Answer:
    """Draw a version's page; an alias or a range leads to the version that it names now."""
    model, registry = asked.place.model, visitor.registry
    info = registry.resolve(f"{model}@{asked.place.version}")
    if info.version != asked.place.version:
        return Redirect(version_url(model, info.version))
    manifest = registry.manifest(info)
    live = registry.situation(model).production
    kept, problem = kept_pictures.record(visitor, info.ref)
    values = {
        "model": model,
        "info": info,
        "live": live,
        "judged": verdict(visitor, info),
        "origins": (origins := _origins(visitor, info)),
        "measured": any(origin != "told" for origin in origins.values()),
        "slices": slices_section.of_version(visitor, model, info.version, info.evaluations),
        "curves": kept_pictures.curves(kept),
        "figures": kept_pictures.figures(info, kept),
        "run": list(kept_pictures.run(kept)),
        "training_problem": problem,
        "card": list(_card(manifest)),
        "card_html": markdown(manifest.description),
        "files": list(_files(manifest)),
        "lineage": list(_lineage(manifest)),
        "batches": version_batches.of_version(visitor, info, asked.now),
        "command": f"holdfast {'load' if info.reference is None else 'show'} {info.ref}",
    }
    return Drawn("version", common(visitor, asked, "models") | values)


def _origins(visitor: Visitor, info: VersionInfo) -> dict[str, str]:
    """Say of each metric whether it was told, or measured: by `evaluate` or by a retraining."""
    sources = evaluation.origins(info.metrics, info.evaluations)
    state, record = session_of(visitor.registry).find(info.ref)
    if record.losses:
        named = {slot.version for slot in state.slots.values()}
        made = [other for version, other in state.versions.items() if version in named]
        sets = {series.on for other in made for series in other.losses}
        for series in record.losses:
            if series.on in sets and sources.get(series.name) == "told":
                sources[series.name] = "measured (retraining)"
    return sources


def verdict(visitor: Visitor, info: VersionInfo) -> Verdict | None:
    """Ask the gate about a version that is not live and has its bytes."""
    if info.status in ("production", "purged"):
        return None
    try:
        return visitor.registry.judge(info)
    except HoldfastError:  # the page shows the version all the same
        return None


def markdown(text: str | None) -> Markup:
    """Draw what a card says: no HTML of its own, no pictures, links to web and mail alone."""
    if not text:
        return Markup()
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).disable("image")
    reader.validateLink = _is_harmless  # type: ignore[method-assign]
    return Markup(reader.render(wording.inert(text)))  # noqa: S704 - the reader escapes all HTML


def _is_harmless(url: str) -> bool:
    return url.lower().startswith(("https://", "http://", "mailto:"))


def _card(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for name in _CARD:
        if getattr(manifest, name):
            yield name, getattr(manifest, name)
    for name in _NESTED:
        for key, value in getattr(manifest, name).items():
            told_apart = key == FACTS and isinstance(value, dict)  # with curves and figures
            if value not in (None, "", {}, []) and not told_apart:
                yield f"{key}", fact(value)
    for sentence in manifest.limitations:
        yield "limitation", sentence


def _files(manifest: Manifest) -> Iterator[dict[str, Any]]:
    for role, artifact in sorted(manifest.artifacts.items()):
        scan = manifest.scan.get(role)
        for file in artifact.files:
            yield {
                "path": file.path,
                "format": artifact.format,
                "size_bytes": file.size_bytes,
                "sha256": file.sha256,
                "unknown": scan.unknown if scan else (),
                "trusted": scan.trusted if scan else None,
                "executes": bool(scan and scan.executes_code),
            }


def _lineage(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for name, use in manifest.lineage.used_data.items():
        digests = (("bytes", use.digest), ("rows", use.rows))
        parts = [f"{what} {fact(digest)}" for what, digest in digests if digest]
        yield f"data {name}", ", ".join([use.ref or use.path or "in memory", *parts])
    for name, value in structs.asdict(manifest.lineage).items():
        if name != "data" and value not in (None, UNSET, (), ""):
            shown = ", ".join(value) if isinstance(value, tuple) else fact(value)
            yield name.replace("_", " "), shown
    environment = manifest.environment
    if environment.python:
        yield "python", environment.python
    if environment.packages:
        yield (
            "packages",
            ", ".join(f"{name} {version}" for name, version in environment.packages.items()),
        )
