"""From what a journal says to what answers.

```
following learns of moves                 deployment from a situation to the line-up
loading   a version verified, tried out   aside      those that ended workers
trying    what the trial does, apart
```
"""
