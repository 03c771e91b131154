"""What becomes known of answers, and to whom.

```
rollout_counts   evidence for rollouts         reporting   to the store
exposition       metrics, to Prometheus        recording   to the prediction log
metric_totals    what is added up for it       multiprocess_metrics   of all workers
feedback_queue   labels that callers send      tracing     spans, to OpenTelemetry
access_log       a line for each answer        failure_log failures of versions
```
"""
