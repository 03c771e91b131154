"""`python -m holdfast`: the command line."""

import sys
from os import path

# Python puts the current folder first, so that a `json.py` in it would run in the place of json.
# What Python itself imports before it gets here is beyond us; the command `holdfast` is not.
_FIRST = sys.path[0] if sys.path and not sys.flags.safe_path else ""
if _FIRST and path.dirname(path.dirname(path.abspath(__file__))) != _FIRST:
    del sys.path[0]

from holdfast.cli import main  # noqa: E402 - what is above has to come first

main()
