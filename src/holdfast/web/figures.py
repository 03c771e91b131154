"""What Prometheus is told of the server: requests by route and status, never by model or user."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Final

__all__ = ["MEDIA", "Figures"]

MEDIA: Final = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS_S: Final = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0)


class Figures:
    """Counts; threads may add to them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._times: Counter[tuple[str, float]] = Counter()
        self._seconds: Counter[str] = Counter()
        self._others: Counter[str] = Counter()
        self.watchers = 0
        self.waiting = 0

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        with self._lock:
            self._requests[method, route, status] += 1
            self._seconds[route] += seconds  # type: ignore[assignment]
            for bound in _BOUNDS_S:
                if seconds <= bound:
                    self._times[route, bound] += 1

    def count(self, name: str, amount: int = 1) -> None:
        """Count something else, such as bytes taken in."""
        with self._lock:
            self._others[name] += amount

    def text(self) -> bytes:
        """Write all in the form that Prometheus reads."""
        with self._lock:
            return "".join(f"{line}\n" for line in self._lines()).encode()

    def _lines(self) -> Iterator[str]:
        yield "# TYPE holdfast_web_requests_total counter"
        for (method, route, status), count in sorted(self._requests.items()):
            labels = f'method="{method}",route="{route}",status="{status}"'
            yield f"holdfast_web_requests_total{{{labels}}} {count}"
        yield "# TYPE holdfast_web_request_seconds histogram"
        for route, seconds in sorted(self._seconds.items()):
            total = sum(count for (_, r, _), count in self._requests.items() if r == route)
            for bound in _BOUNDS_S:
                labels = f'route="{route}",le="{bound}"'
                yield f"holdfast_web_request_seconds_bucket{{{labels}}} {self._times[route, bound]}"
            yield f'holdfast_web_request_seconds_bucket{{route="{route}",le="+Inf"}} {total}'
            yield f'holdfast_web_request_seconds_sum{{route="{route}"}} {seconds:.6f}'
            yield f'holdfast_web_request_seconds_count{{route="{route}"}} {total}'
        for name, count in sorted(self._others.items()):
            yield f"# TYPE holdfast_web_{name}_total counter"
            yield f"holdfast_web_{name}_total {count}"
        yield "# TYPE holdfast_web_watchers gauge"
        yield f"holdfast_web_watchers {self.watchers}"
        yield "# TYPE holdfast_web_waiting gauge"
        yield f"holdfast_web_waiting {self.waiting}"
