"""Files that stand where a model should: pointers that were not fetched, pages of errors."""

import re
from pathlib import Path

_HEAD = 1024
_POINTER = re.compile(rb"version https://(git-lfs|hawser)\.github\.com/spec/")
_ANNEX = re.compile(rb"(/annex/objects/|\.\./\.git/annex/objects/)\S+\s*\Z")
_PAGE = re.compile(
    rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_ERROR = re.compile(rb"\s*(<\?xml[^>]*>\s*)?<Error>\s*<Code>(\w+)", re.IGNORECASE)
_TORN = re.compile(rb"\s*<\?xml[^>]*>\s*<Error>", re.IGNORECASE)


def problem_of(path: Path) -> str | None:
    """Return what a file stands in for, None if it is itself."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    if _POINTER.match(head):
        return "is a Git LFS pointer and not the file itself (git lfs pull)"
    if _ANNEX.match(head):
        return "is a git-annex pointer and not the file itself (git annex get)"
    if _PAGE.match(head):
        return "is an HTML page, such as a server sends in place of a file"
    error = _ERROR.match(head)
    if error:
        return f"is a storage service's error {error[2].decode()} and not the file itself"
    return "is a storage service's error and not the file itself" if _TORN.match(head) else None
