"""What workers tell, signed: where signatures are demanded it alone brings a version forward."""

from msgspec.structs import replace
from tests.keys import BOB, EVE

from holdfast.core import worker_statements
from holdfast.core.fleet import Counts, Report
from holdfast.core.policy import Policy
from holdfast.signing import genuine

STRICT = Policy(signers={"bob": BOB.signer}, require_signature=True)
COUNTS = Counts("iris", 1, "a", "2026-03-02T12:00:00Z")
REPORT = Report("iris", "a", "2026-03-02T12:00:00Z", every_s=2.0, seq=1)


def test_all_are_believed_where_no_signature_is_demanded() -> None:
    assert worker_statements.proved(Policy(), [COUNTS], genuine) == [COUNTS]


def test_only_what_a_listed_signer_signed_is_proved() -> None:
    signed = worker_statements.signed(COUNTS, BOB)
    others = [
        COUNTS,
        worker_statements.signed(COUNTS, EVE),
        replace(signed, rollout=2),
        replace(signed, key=EVE.key),
    ]

    assert worker_statements.proved(STRICT, [signed, *others], genuine) == [signed]


def test_a_report_is_signed_as_a_report() -> None:
    signed = worker_statements.signed(REPORT, BOB)

    assert worker_statements.proved(STRICT, [signed, REPORT], genuine) == [signed]
    assert worker_statements.proved(STRICT, [replace(signed, seq=2)], genuine) == []
