"""Weights & Biases: artifacts become versions and versions artifacts, by the public SDK alone.

```
artifact_entries   what an artifact lists, checked before a byte comes and held against what came
artifact_import    an artifact registered as a version
artifact_export    a version logged as an artifact, of its bytes or of references to them
shared_facts       metadata without what gives access
wandb_errors       the SDK's errors as ours, without what gives access
```
"""
