"""Two versions side by side."""

from holdfast.web.pages import kept_pictures
from holdfast.web.pages.move_pages import CHOICES
from holdfast.web.pages.page import Asked, Drawn, common
from holdfast.web.pages.version_page import verdict
from holdfast.web.pages.visitor import Visitor


def page(visitor: Visitor, asked: Asked) -> Drawn:
    """Draw the comparison; left out, the versions are the one before and the live one."""
    model, registry = asked.place.model, visitor.registry
    newest = registry.version_page(model, count=CHOICES).versions
    names = [info.version for info in newest if info.status != "purged"]
    situation = registry.situation(model)
    live = situation.production
    to = asked.query.get("b") or live or next(iter(names), "")
    others = [name for name in (situation.previous, live, *names) if name and name != to]
    start = asked.query.get("a") or next(iter(others), "")
    comparison = registry.compare(f"{model}@{start}", f"{model}@{to}") if start and to else None
    shown = registry.resolve(f"{model}@{to}") if to else None
    names += [name for name in (start, to) if name and name not in names]
    values = {
        "model": model,
        "live": live,
        "choices": names,
        "query": {"a": start, "b": to},
        "comparison": comparison,
        "overlays": list(kept_pictures.overlays(visitor, comparison)) if comparison else [],
        "judged": verdict(visitor, shown) if shown and shown.status != "production" else None,
    }
    return Drawn("compare", common(visitor, asked, "models") | values)
