"""The way of a request: to one version, into a call, and back.

```
prediction_handler  the way itself                 routing       which version
batching            calls that requests share      pending_jobs  what waits for the model
model_call          one call for a batch           call_watchdog ends calls that take too long
finished            what is known at the end
```
"""
