"""Retraining: a run from its slot to a version that the gate has judged, or to nothing.

```
retraining_run    one run: lease, data, child, result, champion scored anew, gate, one entry
schedule          which slot is due, which were missed, which findings ask for a run
training_process  the parent's side of the child: limits of time and memory, its end
keeper            the child: runs no code of the entry, ends with the parent and ends all below it
training_worker   below the keeper: calls the entry, writes what it returned as files
entry_context     what an entry is given
run_data          its data, hashed before and after; run_code its commit, and the machine
run_results       what a run left, read as if a stranger had written it
labelled_rows     rows and labels on which versions are scored, as `holdfast evaluate` scores them
reproduction      a version made once more, in a `worktree` of its commit; `likeness` compares
process_tree, log_tail
```

An entry point is `def train(context: TrainingContext) -> dict`; one that runs is in
`docs/how-to/retraining.md`. Only the parent writes to the store.
"""

from holdfast.retraining.entry_context import LiveChampion, TrainingContext

__all__ = ["LiveChampion", "TrainingContext"]
