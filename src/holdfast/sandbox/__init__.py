"""The second wall: what a stranger wrote runs first in a child that can do no harm.

```
kernel     raw system calls          syscalls  their numbers     filters  programs that judge them
landlock   which files are touched   restraint all of it, put on a process
trials     the side that asks        child     the side that runs
```

It knows no names of functions and no formats: what is tried is given as `module:function`.
"""

from holdfast.sandbox.restraint import Limits, Mode, Restraint, chosen, on_worker
from holdfast.sandbox.trials import Nursery, Outcome, Trial, Trials

__all__ = [
    "Limits",
    "Mode",
    "Nursery",
    "Outcome",
    "Restraint",
    "Trial",
    "Trials",
    "chosen",
    "on_worker",
]
