"""The second wall: what a stranger wrote runs first in a child that can do no harm.

```
kernel     raw system calls          syscalls  their numbers     filters  programs that judge them
landlock   which files are touched   restraint all of it, put on a process
trials     the side that asks        child     the side that runs
```

It knows no names of functions and no formats: what is tried is given as `module:function`.
"""

from holdfast.sandbox.restraint import Mode, Restraint, TrialLimits, chosen, on_worker
from holdfast.sandbox.trials import Nursery, Trial, TrialOutcome, Trials

__all__ = [
    "Mode",
    "Nursery",
    "Restraint",
    "Trial",
    "TrialLimits",
    "TrialOutcome",
    "Trials",
    "chosen",
    "on_worker",
]
