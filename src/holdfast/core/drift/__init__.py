"""Drift: whether what a model is asked in production is still what it was trained on.

Read in this order: `tolerances` (what is let pass), `drift_reference` (what training looked like),
`drift_counts` (what a day looked like), `watched_events` (what is counted of a feature),
`drift_evidence` (the formulas), `drift_sizes` (how large a shift is), `drift_judgement` (what they
say together), `drift_findings` (what of it goes into the journal).
"""
