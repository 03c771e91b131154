"""`registry/mlflow_bridge.py` of single-folder registries, under its own name.

```python
from holdfast.compat.mlflow_bridge import log_to_mlflow, transition_model_stage
```
"""

from holdfast.gateways.mlflow import log_to_mlflow, transition_model_stage

__all__ = ["log_to_mlflow", "transition_model_stage"]
