"""What a version was made from and what became of it: as a graph, and the same as nested lists."""

from holdfast.core.drawing.lineage_graph import graph
from holdfast.registry import descendants
from holdfast.registry.lineage_tree import lineage_tree
from holdfast.web.below import session_of
from holdfast.web.pages import version_batches
from holdfast.web.pages.drawing import markup
from holdfast.web.pages.page import Answer, Asked, Drawn, Redirect, common
from holdfast.web.pages.page_paths import model_url, version_url
from holdfast.web.pages.visitor import Visitor


def of_model(visitor: Visitor, asked: Asked) -> Redirect:
    """Lead to the lineage of what is live, else of the newest version."""
    model, situation = asked.place.model, visitor.registry.situation(asked.place.model)
    version = situation.production or visitor.registry.resolve(f"{model}@latest").version
    return Redirect(version_url(model, version, "lineage"))


def page(visitor: Visitor, asked: Asked) -> Answer:
    """Draw the lineage of a version; an alias or a range leads to the one that it names now."""
    model, registry = asked.place.model, visitor.registry
    info = registry.resolve(f"{model}@{asked.place.version}")
    if info.version != asked.place.version:
        return Redirect(version_url(model, info.version, "lineage"))

    def sees(name: str) -> bool:
        return visitor.may("read", name)

    tree = lineage_tree(session_of(registry), info.ref, sees, _link, descendants.MOST_READ)
    batches = version_batches.of_version(visitor, info, asked.now)
    became = (*tree.became, *version_batches.nodes(batches))
    values = {
        "model": model,
        "info": info,
        "here": tree.here,
        "became": became,
        "unread": tree.unread,
        "graph": markup(graph(tree.here, became)) if tree.here.sources or became else "",
    }
    return Drawn("lineage", common(visitor, asked, "models") | values)


def _link(model: str, place: str, view: str) -> str:
    if view == "served":
        return f"{model_url(model, 'history')}?view=served"
    return version_url(model, place, view) if place else model_url(model, view)
