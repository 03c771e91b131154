"""What becomes known of answers, and to whom.

```
counting  evidence for rollouts           reporting to the store
metrics   to Prometheus                   recording to the prediction log
feedback  truths that callers tell later
```
"""
