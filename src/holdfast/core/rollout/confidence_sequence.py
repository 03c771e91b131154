"""A band for one rate that holds at every look at once."""

import math
from typing import Final, NamedTuple

from holdfast.errors import InvalidInputError

_HALVINGS: Final = 60
_LOG_BETA_HALVES: Final = math.log(math.pi)
"""log B(1/2, 1/2)."""


class ConfidenceSequence(NamedTuple):
    """Rates that the counts do not rule out."""

    low: float
    high: float


def confidence_sequence(failures: int, requests: int, alpha: float = 0.05) -> ConfidenceSequence:
    """Bound the true failure rate; the bounds hold after every request at once.

    A rate p stays in the band while the mixture of all rates by Beta(1/2, 1/2) does not explain the
    k failures of n requests 1/alpha times better:

        B(k + 1/2, n - k + 1/2) / B(1/2, 1/2) < p^k (1 - p)^(n - k) / alpha

    The chance that the true rate ever leaves it is at most alpha, by Ville's inequality.

    Args:
        failures: k, from 0 to *requests*.
        requests: n; none leaves every rate possible.
        alpha: Bound of the chance of a miss at any look.

    Raises:
        InvalidInputError: If there are more failures than requests.

    Source:
        H. Robbins (1970), Ann. Math. Stat. 41, 1397-1409: the method of mixtures.
    """
    if not 0 <= failures <= requests:
        raise InvalidInputError(
            "band",
            f"cannot be computed from {failures} failures in {requests} requests",
            "count failures among requests",
        )
    if requests == 0:
        return ConfidenceSequence(0.0, 1.0)
    passed = requests - failures
    floor = log_mixture(failures, requests) + math.log(alpha)
    rate = failures / requests

    def edge(outside: float) -> float:
        inside = rate
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            if middle in (inside, outside):
                break
            if _log_likelihood(middle, failures, passed) > floor:
                inside = middle
            else:
                outside = middle
        return outside

    return ConfidenceSequence(edge(0.0) if failures else 0.0, edge(1.0) if passed else 1.0)


def log_mixture(failures: float, requests: int) -> float:
    """Return the log likelihood of the counts' order under the mixture of all rates."""
    return (
        math.lgamma(failures + 0.5)
        + math.lgamma(requests - failures + 0.5)
        - math.lgamma(requests + 1)
        - _LOG_BETA_HALVES
    )


def _log_likelihood(rate: float, failures: int, passed: int) -> float:
    """Return `k log p + (n - k) log(1 - p)` for a rate strictly between 0 and 1."""
    return failures * math.log(rate) + passed * math.log1p(-rate)
