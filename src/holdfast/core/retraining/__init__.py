"""Retraining as values: the times that runs stand for, what a policy says of it, what became of it.

```
retraining_terms    what a model's policy says: when, by what, within which limits, and what follows
slots               times that runs stand for, in UTC, and those that a schedule names
slot_record         what the journal says of one slot
```
"""
