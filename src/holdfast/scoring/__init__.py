"""How well answers fit the truth: rows out of files, what models answer, figures and intervals.

```
data_file     rows by column, in parts      features      which of them a version takes, and how
answers       what a version answered       truth         the column of right answers
task_metrics  figures of one side           resampling    how far chance alone moves them
comparison    both sides, whole and sliced
```

Nothing here knows a store, a journal or a sandbox. Only what is answered and what is true stays in
memory; of the features one part at a time does.
"""

__all__: list[str] = []
