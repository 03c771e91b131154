"""All routes of the API, in one place."""

from typing import Any, Final

from holdfast.core.fleet import Counts, Report
from holdfast.core.live_status import Status
from holdfast.core.period import Period
from holdfast.core.policy import Policy
from holdfast.core.views import (
    DesiredState,
    ModelInfo,
    SearchResult,
    Verification,
    VersionInfo,
)
from holdfast.web import (
    api_description,
    deeds,
    raw,
    reads,
    registering,
    retraining_runs,
    signing_verbs,
    uploads,
    worker_reports,
)
from holdfast.web.data_desk import data_routes
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, answered
from holdfast.web.lists import PAGING, Page
from holdfast.web.people_routes import people_routes
from holdfast.web.routes import Parameter, Route, Routes
from holdfast.web.verbs import VERBS, Verb

__all__ = ["routes"]

_JSON: Final = "application/json"
_BINARY: Final = "application/octet-stream"
_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0, "maximum": 10**10}
_AT: Final = Parameter("at", "As it stood then: 2026-03-03T14:00Z.", _TEXT)
_AFTER: Final = Parameter("after", "Number of the entry behind which to begin.", _COUNT)
_KEY: Final = Parameter(
    "Idempotency-Key",
    "The same deed under the same key is done once.",
    {"type": "string", "pattern": "^[!-~]{1,200}$"},
    is_header=True,
)
_IF_MATCH: Final = Parameter(
    "If-Match",
    "The tag of an answer: nothing may have happened to the model since.",
    {"type": "string", "pattern": '^("[0-9]{1,18}:[0-9a-f]{64}"|\\*)$'},
    is_header=True,
)


_ROLLOUT: Final = Parameter("rollout", "Its number.", _COUNT, required=True)


def _ok(kind: Any) -> dict[int, tuple[str, Any]]:
    return {200: (_JSON, kind)}


_WHOAMI: Final = Route(
    "GET",
    "/whoami",
    raw.whoami,
    "whoami",
    "Who asks, and how the server knows; refused if they may not do all the verbs named.",
    parameters=(
        Parameter("verbs", "What is to be done, such as `delete,alias`.", _TEXT),
        Parameter("model", "To which model.", _TEXT),
    ),
)


def _raw() -> tuple[Route, ...]:
    headers = (
        Parameter("Range", "One range of bytes.", _TEXT, is_header=True),
        Parameter("If-Range", "The tag it is of.", _TEXT, is_header=True),
        Parameter("If-None-Match", "The tag that is known.", _TEXT, is_header=True),
    )
    return (
        _WHOAMI,
        Route("GET", "/store", raw.store, "store", "Which store this is."),
        Route("GET", "/journals", raw.journals, "journals", "Every model that has a journal."),
        Route(
            "GET",
            "/models/{model}:journal",
            raw.journal,
            "journal",
            "The exact bytes of a model's entries, one per line.",
            access="read",
            parameters=(_AFTER, headers[2]),
            answers={200: ("application/x-ndjson", bytes), 304: ("", None)},
        ),
        Route(
            "GET",
            "/models/{model}:blobs/{sha256}",
            raw.blob,
            "blob",
            "The bytes of a digest that the model's journal names.",
            access="read",
            parameters=headers,
            answers={
                200: (_BINARY, bytes),
                206: (_BINARY, bytes),
                304: ("", None),
                307: ("", None),
            },
            problems=(416,),
        ),
    )


def _events() -> tuple[Route, ...]:
    return (
        Route(
            "GET",
            "/models/{model}:events",
            raw.events,
            "events",
            "What happens to it, as it happens: server-sent events, whose id is an entry's number.",
            access="watch",
            parameters=(
                _AFTER,
                Parameter("Last-Event-ID", "The last one known.", _TEXT, is_header=True),
            ),
            answers={200: ("text/event-stream", str)},
        ),
    )


def _lists() -> tuple[Route, ...]:
    filters = (
        Parameter("q", "A part of the name.", _TEXT),
        Parameter("stage", "What it must have.", {"enum": ["production", "staging"]}),
        Parameter("tag", "A tag of one of its versions: name, or name=value.", _TEXT),
        Parameter("by", "Who registered one of its versions.", _TEXT),
    )
    return (
        Route(
            "GET",
            "/models",
            reads.models,
            "models",
            "All models, by name.",
            parameters=(*PAGING, *filters, _AT),
            answers=_ok(Page),
        ),
        Route(
            "GET",
            "/overview",
            reads.overview,
            "overview",
            "Every model in one line; those that need attention come first.",
            parameters=(_AT,),
        ),
        Route("GET", "/heads", reads.heads, "heads", "The heads of all models."),
    )


def _search() -> tuple[Route, ...]:
    return (
        Route(
            "GET",
            "/search",
            reads.search,
            "search",
            "Versions of all models, or one, by a condition.",
            parameters=(
                Parameter("where", "Such as: metric.recall > 0.9.", _TEXT),
                Parameter("model", "Where to look.", _TEXT),
                Parameter("order_by", "Such as: metric.recall desc.", _TEXT),
                Parameter("limit", "How many at most.", {**_COUNT, "minimum": 1, "maximum": 200}),
                _AT,
            ),
            answers=_ok(SearchResult),
        ),
    )


def _read(name: str, read: Any, about: str, kind: Any, *parameters: Parameter) -> Route:
    template = f"/models/{{model}}:{name}" if name else "/models/{model}"
    return Route(
        "GET",
        template,
        read,
        name or "model",
        about,
        access="read",
        parameters=parameters,
        answers=_ok(kind),
    )


def _of_model() -> tuple[Route, ...]:
    state = Parameter("status", "What they must be.", _TEXT)
    last = Parameter("last", "How many of the newest lines.", {"type": "integer", "minimum": 0})
    chosen = Parameter("version", "The version.", _TEXT)
    sides = (Parameter("a", "A version.", _TEXT), Parameter("b", "Another.", _TEXT))
    return (
        _read("", reads.model, "One model.", ModelInfo, _AT),
        _read("status", reads.status, "The screen for whoever is on call.", Status, _AT),
        _read("versions", reads.versions, "Its versions.", Page, *PAGING, state, _AT),
        _read("history", reads.history, "What happened to it.", Page, *PAGING, last, _AT),
        _read("served", reads.served, "What was live when.", dict[str, list[Period]], _AT),
        _read("policy", reads.policy, "Its policy.", Policy, _AT),
        _read("rollout", reads.rollout, "Its rollout.", Any, _AT),
        _read("servers", reads.servers, "What serving processes report.", Any),
        _read("counts", worker_reports.counts, "What they counted of a rollout.", Any, _ROLLOUT),
        _read("entries", reads.entries, "Its entries, read.", Page, *PAGING, _AFTER),
        _read("situation", reads.situation, "What servers should hold.", DesiredState),
        _read("head", reads.head, "Its last entry's number and digest.", Any),
        _read("compare", reads.compare, "Two versions side by side.", Any, *sides),
        _read("gate", reads.gate, "What the gate says of a version.", Any, chosen),
        Route(
            "GET",
            "/models/{model}:verify",
            reads.verify,
            "verify",
            "Hash every byte of it, and check its journal.",
            access="verify",
            answers=_ok(Verification),
        ),
    )


def _of_workers() -> tuple[Route, ...]:
    nothing: dict[int, tuple[str, Any]] = {204: ("", None)}
    common: dict[str, Any] = {"access": "report", "writes": True, "answers": nothing}
    servers, counts = "/models/{model}:servers/{worker}", "/models/{model}:counts/{worker}"
    return (
        Route(
            "PUT",
            servers,
            worker_reports.report,
            "report",
            "What a worker of a serving process runs, over its report before.",
            body=Report,
            problems=(413, 415, 429),
            **common,
        ),
        Route(
            "DELETE",
            servers,
            worker_reports.leave,
            "leave",
            "A worker stops: its report is removed, its counts stay.",
            **common,
        ),
        Route(
            "PUT",
            counts,
            worker_reports.count,
            "count",
            "What a worker counted of a rollout, over its counts before.",
            parameters=(_ROLLOUT,),
            body=Counts,
            problems=(413, 415, 429),
            **common,
        ),
    )


def _of_version() -> tuple[Route, ...]:
    def read(name: str, handler: Any, about: str, kind: Any, *parameters: Parameter) -> Route:
        template = f"/models/{{model}}@{{ref}}{':' if name else ''}{name}"
        return Route(
            "GET",
            template,
            handler,
            f"version{'-' if name else ''}{name}",
            about,
            access="read",
            parameters=parameters,
            answers=kind,
        )

    cards = {"enum": ["json", "markdown", "cyclonedx"]}
    forms = {"enum": ["requirements", "uv", "conda"]}
    return (
        read("", reads.version, "One version, with its manifest.", _ok(VersionInfo), _AT),
        read("card", reads.card, "Its card.", _ok(Any), Parameter("form", "Which.", cards)),
        read(
            "environment",
            reads.environment,
            "What it was registered with, as installers read it.",
            {200: ("text/plain", str)},
            Parameter("form", "Which.", forms),
        ),
    )


def _of_verb(verb: Verb) -> Route:
    return Route(
        "POST",
        f"/models/{{model}}:{verb.name}",
        deeds.handler(verb),
        verb.name,
        verb.about,
        access="read",
        writes=not verb.plans,
        parameters=() if verb.plans else (_KEY, _IF_MATCH),
        body=verb.body,
        problems=(409, 412, 413, 415, 507),
    )


def _registering() -> tuple[Route, ...]:
    return (
        Route(
            "POST",
            "/models/{model}:register",
            registering.register,
            "register",
            "Register a version whose blobs were sent before.",
            access="register",
            writes=True,
            parameters=(_KEY, _IF_MATCH),
            body=registering.Register,
            problems=(409, 412, 413, 415, 507),
        ),
        Route(
            "POST",
            "/models:import",
            registering.import_,
            "import",
            "Take in a bundle that was sent before.",
            access="import",
            writes=True,
            body=registering.Import,
            problems=(409, 413, 415, 507),
        ),
    )


def _retraining() -> tuple[Route, ...]:
    return (
        Route(
            "POST",
            "/models/{model}:retrain-lease",
            retraining_runs.lease,
            "retrain-lease",
            "Take the lease of a model's retraining, keep it, or let it go.",
            access="retrain",
            writes=True,
            body=retraining_runs.LeaseAct,
            problems=(409, 413, 415, 507),
        ),
        Route(
            "POST",
            "/models/{model}:retrain-holder",
            retraining_runs.holder,
            "retrain-holder",
            "Say who holds the lease of a model's retraining.",
            access="read",
        ),
        Route(
            "POST",
            "/models/{model}:retrained",
            retraining_runs.retrained,
            "retrained",
            "Tell what a slot of retraining came to, once its blobs were sent.",
            access="retrain",
            writes=True,
            parameters=(_KEY, _IF_MATCH),
            body=retraining_runs.RunMade,
            problems=(409, 412, 413, 415, 507),
        ),
    )


def _signed() -> tuple[Route, ...]:
    about = (
        "Return the bytes of the entry that a verb would write, to be signed.",
        "Write the entry of a verb with the signature that the caller made.",
    )
    refusals = (409, 412, 413, 415, 507)
    return (
        Route(
            "POST",
            "/models/{model}:prepare",
            signing_verbs.prepare,
            "prepare",
            about[0],
            access="prepare",
            writes=True,
            parameters=(_KEY, _IF_MATCH),
            body=signing_verbs.Prepare,
            problems=refusals,
        ),
        Route(
            "POST",
            "/models/{model}:commit",
            signing_verbs.commit,
            "commit",
            about[1],
            access="prepare",
            writes=True,
            parameters=(_KEY, _IF_MATCH),
            body=signing_verbs.Commit,
            problems=refusals,
        ),
    )


def _uploads() -> tuple[Route, ...]:
    taken = {201: (_JSON, Any), 200: (_JSON, Any)}
    nothing = {204: ("", None)}
    offset = Parameter("Upload-Offset", "Where the part begins.", _COUNT, is_header=True)
    complete = Parameter(
        "Upload-Complete", "Whether it is the last: ?1.", {"enum": ["?0", "?1"]}, is_header=True
    )
    full = (411, 413, 415, 507)
    return (
        _upload("PUT", "put-blob", uploads.put, body=bytes, answers=taken, problems=full),
        _upload(
            "POST",
            "begin-upload",
            uploads.begin,
            body=uploads.Begin,
            answers={201: ("", None)},
            problems=full[1:],
        ),
        _upload("HEAD", "upload", uploads.where, answers=nothing),
        _upload(
            "PATCH",
            "continue-upload",
            uploads.go_on,
            parameters=(offset, complete),
            body=bytes,
            answers={**taken, **nothing},
            problems=(409, *full),
        ),
        _upload("DELETE", "end-upload", uploads.end, answers=nothing),
    )


_PLACES: Final = {"PUT": "/blobs/{sha256}", "POST": "/uploads"}


def _upload(method: str, name: str, handler: Any, **more: Any) -> Route:
    template = _PLACES.get(method, "/uploads/{upload}")
    about = str(handler.__doc__).partition("\n")[0]
    return Route(method, template, handler, name, about, access="upload", writes=True, **more)


def routes() -> Routes:
    """Return the table."""
    verbs = map(_of_verb, VERBS.values())
    reading = (
        *_raw(),
        *data_routes(),
        *_events(),
        *_lists(),
        *_search(),
        *_of_model(),
        *_of_version(),
    )
    table = [
        *reading,
        *verbs,
        *_registering(),
        *_retraining(),
        *_signed(),
        *_uploads(),
        *_of_workers(),
    ]
    table += people_routes()
    made: list[Answer] = []

    def description(_desk: Desk, _request: Request) -> Answer:
        if not made:
            made.append(answered(api_description.described(Routes(table))))
        return made[0]

    about = "This description."
    own = Route("GET", "/openapi.json", description, "openapi", about, is_open=True)
    return Routes([*table, own])
