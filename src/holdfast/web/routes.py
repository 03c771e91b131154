"""The one table of what the API answers: by the template of a path, then by method."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from holdfast.http.problems import Problem
from holdfast.web import api_paths
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, Stream

__all__ = ["Handler", "Parameter", "Route", "Routes"]

Handler = Callable[[Desk, Request], Answer] | Callable[[Desk, Request], Awaitable[Answer | Stream]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter behind the `?` or a header.

    Attributes:
        schema: By JSON Schema.
        required: Whether it must be there.
    """

    name: str
    about: str
    schema: Mapping[str, Any]
    is_header: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """One operation.

    Attributes:
        operation: Its name, the verb's where it is one.
        access: What whoever asks must be allowed; None for nothing but to be signed in.
        writes: Whether it is refused where the server only reads.
        body: What the body is read as; None where there is none, `bytes` where it is taken as it
            is.
        answers: The statuses of answers other than problems, with content type and kind of value.
        is_open: Whether anybody may ask, signed in or not.
        problems: Statuses of problems besides those that every route may answer.
    """

    method: str
    template: str
    handler: Handler
    operation: str
    about: str
    access: str | None = None
    writes: bool = False
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    answers: Mapping[int, tuple[str, Any]] = field(
        default_factory=lambda: {200: ("application/json", Any)}
    )
    is_open: bool = False
    problems: tuple[int, ...] = ()

    @property
    def is_async(self) -> bool:
        """Whether the handler runs on the event loop and waits for what blocks."""
        return inspect.iscoroutinefunction(self.handler)


_HEAD_AS: Final = "GET"


class Routes:
    """All routes."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_template: dict[str, dict[str, Route]] = {}
        for route in routes:
            methods = self._by_template.setdefault(route.template, {})
            assert route.method not in methods, route  # noqa: S101 - the table names each once
            methods[route.method] = route

    def __iter__(self) -> Iterator[Route]:
        """Go through all routes."""
        return (route for methods in self._by_template.values() for route in methods.values())

    def find(self, request: Request, path: str) -> Route:
        """Return the route of a request; what its path names is put into it.

        Raises:
            Problem: 404 if there is none, 405 if it has other methods.
        """
        template, values = api_paths.parse(path)
        methods = self._by_template.get(template)
        if methods is None:
            raise Problem(404, "not_found", f"path {path[:200]!r} not found")
        asked = _HEAD_AS if request.method == "HEAD" and "HEAD" not in methods else request.method
        route = methods.get(asked)
        if route is None:
            allowed = sorted({*methods, *(["HEAD"] if "GET" in methods else [])})
            problem = f"{request.method} is not supported here; use {' or '.join(allowed)}"
            raise Problem(405, "method_not_allowed", problem, {"Allow": ", ".join(allowed)})
        request.values, request.route = values, template
        request.operation = route.operation
        return route
