"""What the Hub's clients read: who they are, models, trees, commits and files."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

import msgspec

from holdfast.core import strict_json
from holdfast.core.state import State
from holdfast.errors import HoldfastError
from holdfast.gateways.hf import hub_answers, hub_paths, hub_revisions
from holdfast.gateways.hf.hub_paths import HubTarget
from holdfast.http.problems import Problem
from holdfast.registry import queries
from holdfast.web.exchange import Answer, Request, Stream, answered
from holdfast.web.hub.hub_face import Call, HubFace, missing

__all__ = ["CALLS"]

_MOST_LISTED: Final = 1000
_NO_COMMIT: Final = "0" * 40
"""Commit of a model that has no versions yet."""


def whoami(_hub: HubFace, request: Request, _target: HubTarget) -> Answer:
    """Tell who asks."""
    user = request.identity.user
    return answered(
        {
            "type": "user",
            "id": user.id,
            "name": user.name,
            "fullname": user.name,
            "isPro": False,
            "orgs": [],
            "auth": {
                "type": "access_token",
                "accessToken": {"displayName": request.identity.how, "role": "write"},
            },
        }
    )


def models(hub: HubFace, request: Request, _target: HubTarget) -> Answer:
    """List the models that whoever asks may see and a client can name."""
    query = _query(request)
    limit = min(_number(query.get("limit", ["1000"])[0]), _MOST_LISTED)
    after = query.get("cursor", [""])[0]
    listed: list[dict[str, Any]] = []
    for repo, state in _visible(hub, request, query):
        if repo <= after:
            continue
        if len(listed) == limit:
            asked: dict[str, str] = {
                name: query[name][0] for name in ("search", "author", "full") if name in query
            }
            asked |= {"limit": str(limit), "cursor": str(listed[-1]["id"])}
            following = f"{hub.desk.base_of(request)}/api/models?{urlencode(asked)}"
            return answered(listed, Link=f'<{following}>; rel="next"')
        listed.append(_model(hub, repo, state, query))
    return answered(listed)


def _visible(
    hub: HubFace, request: Request, query: dict[str, list[str]]
) -> Iterator[tuple[str, State]]:
    search, author = (query.get(name, [""])[0].lower() for name in ("search", "author"))
    for name, state in queries.all_states(hub.session, None):
        repo = hub_paths.repo_of(name)
        if repo is None or isinstance(state, HoldfastError) or state.latest() is None:
            continue
        namespace = repo.partition("/")[0] if "/" in repo else hub_paths.NAMESPACE
        if search in repo.lower() and author in ("", namespace) and hub.desk.sees(request, name):
            yield repo, state


def _model(hub: HubFace, repo: str, state: State, query: dict[str, list[str]]) -> dict[str, Any]:
    record = hub_revisions.resolve(state, hub_revisions.MAIN)
    document = hub_answers.model(
        repo, state, record, hub.session.manifest(record), _first_at(state)
    )
    if "full" in query:
        document["siblings"] = hub_answers.model_files(hub.files(record), with_sizes=False)
    return document


def _first_at(state: State) -> str:
    return next(iter(state.versions.values())).registered_at


def info(hub: HubFace, request: Request, target: HubTarget) -> Answer:
    """Describe a model at a revision."""
    state = hub.state(target.model)
    if state is None:
        named = {"id": target.model, "modelId": target.model}
        empty = named | {"sha": _NO_COMMIT, "siblings": [], "tags": []}
        return answered(empty | {"private": True, "gated": False, "disabled": False})
    state, record = hub.record(state, target)
    manifest = hub.session.manifest(record)
    document = hub_answers.model(target.model, state, record, manifest, _first_at(state))
    with_sizes = _query(request).get("blobs", [""])[0].lower() in ("1", "true")
    document["siblings"] = hub_answers.model_files(hub.files(record), with_sizes=with_sizes)
    document["usedStorage"] = record.size_bytes
    return answered(document)


def tree(hub: HubFace, request: Request, target: HubTarget) -> Answer:
    """List a folder of a version."""
    state = hub.state(target.model)
    if state is None and target.revision == hub_revisions.MAIN:
        return answered([])
    state, record = hub.record(state, target)
    query = _query(request)
    last = hub_answers.commit(state, record) if _is_set(query, "expand") else None
    below = _is_set(query, "recursive")
    listed = hub_answers.tree_entries(hub.files(record), target.path, below=below, last=last)
    if listed is None:
        commit = hub_revisions.commit_of(record)
        raise missing("Entry", f"{target.path} is not a folder here", X_Repo_Commit=commit)
    return answered(listed)


async def paths_info(hub: HubFace, request: Request, target: HubTarget) -> Answer:
    """Describe files and folders that are named in the body."""
    raw = await request.body()
    if (request.header("content-type") or "").startswith("application/json"):
        asked = _read(raw, _Paths)
        paths, expand = list(asked.paths), asked.expand
    else:
        form = parse_qs(raw.decode("utf-8", "replace"), keep_blank_values=True)
        paths, expand = form.get("paths", []), _is_set(form, "expand")

    def described() -> Answer:
        model = hub.state(target.model)
        if model is None:
            return answered([])
        state, record = hub.record(model, target)
        last = hub_answers.commit(state, record) if expand else None
        return answered(hub_answers.path_entries(hub.files(record), paths, last))

    return await hub.desk.work.do(described)


class _Paths(msgspec.Struct):
    paths: list[str]
    expand: bool = False


def _read(raw: bytes, kind: type[_Paths]) -> _Paths:
    try:
        return strict_json.decode(raw, kind)
    except ValueError as error:
        raise Problem(400, "malformed", f"the body cannot be read: {error}") from error


def refs(hub: HubFace, request: Request, target: HubTarget) -> Answer:
    """List the names of versions."""
    state = hub.state(target.model)
    document: dict[str, Any] = {"branches": [], "tags": [], "converts": []}
    if state is not None:
        document["branches"] = list(hub_revisions.branches(state))
        document["tags"] = list(hub_revisions.tags(state))
    if "include_prs" in _query(request):
        document["pullRequests"] = []
    return answered(document)


def commits(hub: HubFace, _request: Request, target: HubTarget) -> Answer:
    """List the versions up to a revision, the last registered first."""
    model = hub.state(target.model)
    if model is None:
        return answered([])
    state, record = hub.record(model, target)
    before = [other for other in hub_revisions.ordered(state) if other.number <= record.number]
    return answered([hub_answers.commit(state, other) for other in before])


async def resolve(hub: HubFace, request: Request, target: HubTarget) -> Answer | Stream:
    """Send a file, or its head, from the version that a revision names at this moment."""
    commit, file = await hub.desk.work.do(lambda: _file(hub, target))
    if file.text is not None:
        headers = {"ETag": f'"{file.sha256}"'}
        answer: Answer | Stream = Answer(200, file.text, "text/markdown; charset=utf-8", headers)
    else:
        answer = await hub.blobs.send(hub.session, request, target.model, file.sha256)
    answer.headers["X-Repo-Commit"] = commit
    answer.headers["X-Linked-Etag"] = f'"{file.sha256}"'
    answer.headers["X-Linked-Size"] = str(file.size_bytes)
    answer.headers["Cache-Control"] = "no-cache"
    return answer


def _file(hub: HubFace, target: HubTarget) -> tuple[str, Any]:
    state = hub.state(target.model)
    if state is None and target.revision == hub_revisions.MAIN:
        detail = f"{target.model} has no versions yet"
        raise missing("Entry", detail, X_Repo_Commit=_NO_COMMIT)
    _, record = hub.record(state, target)
    commit = hub_revisions.commit_of(record)
    file = hub.files(record).get(target.path)
    if file is None:
        detail = f"{target.path} is not a file of {target.model}@{record.version}"
        raise missing("Entry", detail, X_Repo_Commit=commit)
    return commit, file


def harnesses(_hub: HubFace, _request: Request, _target: HubTarget) -> Answer:
    """Tell clients that nothing is to be told of what runs them."""
    return answered({"standardEnvVars": [], "harnesses": {}})


def _query(request: Request) -> dict[str, list[str]]:
    """Read the parameters, of which clients repeat some."""
    try:
        text = request.query.decode("ascii")
        return parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError as error:
        raise Problem(400, "malformed", f"the query cannot be read: {error}") from error


def _is_set(query: dict[str, list[str]], name: str) -> bool:
    return query.get(name, ["false"])[0].lower() not in ("false", "0", "")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:9]) > 0):
        raise Problem(422, "invalid_input", "limit must be a whole number from 1")
    return int(text[:9])


CALLS: Final = {
    ("GET", "whoami-v2"): Call(whoami, None),
    ("GET", "models"): Call(models, None),
    ("GET", "info"): Call(info),
    ("GET", "tree"): Call(tree),
    ("POST", "paths-info"): Call(paths_info),
    ("GET", "refs"): Call(refs),
    ("GET", "commits"): Call(commits),
    ("GET", "resolve"): Call(resolve),
    ("GET", "agent-harnesses"): Call(harnesses, None, is_open=True),
}
