"""The way of a request: to one version, into a call, and back.

```
hot       the way itself                  routing   which version
batching  calls that requests share       finished  what is known at its end
```
"""
