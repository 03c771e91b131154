"""What a policy says of retraining makes sense, or is refused."""

import pytest

from holdfast.core import policy
from holdfast.core.policy import Policy
from holdfast.core.retraining.retraining_terms import RetrainingTerms
from holdfast.errors import InvalidInputError


def test_terms_that_make_sense_are_taken() -> None:
    terms = RetrainingTerms("jobs.churn:train", every_s=604_800, window_days=90, cooldown_days=0)

    assert policy.check(Policy(retraining=terms)).retraining == terms


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (RetrainingTerms("train.py"), "retraining.entry 'train.py' is malformed"),
        (RetrainingTerms("a:b", every_s=9, cron="0 2 * * *"), "a period and a cron expression"),
        (RetrainingTerms(every_s=0.5), "retraining.every_s must be a finite number above 1"),
        (RetrainingTerms(every_s=4e9), "retraining.every_s must .* at most 3.15576e\\+09"),
        (RetrainingTerms(window_days=0), "retraining.window_days must"),
        (RetrainingTerms(window_days=40_000), "retraining.window_days must"),
        (RetrainingTerms(cooldown_days=1e12), "retraining.cooldown_days must"),
        (RetrainingTerms(time_limit_s=float("inf")), "retraining.time_limit_s must"),
        (RetrainingTerms(memory_bytes=0), "retraining.memory_bytes must"),
        (RetrainingTerms(most_runs=-1), "retraining.most_runs must"),
    ],
)
def test_terms_without_sense_are_refused(terms: RetrainingTerms, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        policy.check(Policy(retraining=terms))
