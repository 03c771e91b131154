"""Watching a live model: the log's days counted, judged, shown and recorded as findings.

`counted_days` reads and keeps the counts, `drift_check` looks, `drift_picture` draws,
`drift_tables` plays years with and without drift.
"""
