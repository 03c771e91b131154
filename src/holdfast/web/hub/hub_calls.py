"""The one table of what the Hub's clients may call: by method and by what it is about."""

from typing import Final

from holdfast.web.hub import hub_commit, hub_lfs, hub_names, hub_reads, hub_xet
from holdfast.web.hub.hub_face import Call

__all__ = ["CALLS"]

CALLS: Final = {
    **hub_reads.CALLS,
    ("POST", "commit"): Call(hub_commit.commit, "register", writes=True),
    **hub_lfs.CALLS,
    **hub_names.CALLS,
    **hub_xet.CALLS,
}
