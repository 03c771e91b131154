"""Rollouts decided by evidence: the plan, the tests that halt it, the verdict on each step.

Read in this order: `plan` (which steps), `analysis` (which tests), `evidence` (their formulas),
`bands` and `drift` (what else is shown and asked), `verdict` (what they say together).
"""
