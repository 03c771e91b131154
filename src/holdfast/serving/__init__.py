"""Serving: verified pairs over HTTP, swapped in place as the journal moves.

A worker is threads around one value that is replaced whole (`routing_table`, in `worker_state`).
From the socket down to the model, and what is done beside that:

```
server      puts a worker together             workers    several of them at one address
web, rpc    which path is answered by what     server_limits   what is not accepted
answering   the way of a request               telemetry  what becomes known of answers
protocols   the forms of requests              deployment from the journal to the routing table
vitals      what a worker shows its supervisor rollout_controller   drives rollouts
crash_strikes   versions that ended workers
```

What rows hold, and the call of the model, is in `holdfast.rows`.
"""
