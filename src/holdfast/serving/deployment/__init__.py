"""From what a journal says to what answers.

```
watcher       learns of moves                    deployer    from a desired state to the table
preparation   a version verified, tried, loaded  trial_load  what the trial does, apart
```
"""
