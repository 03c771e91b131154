"""Rollouts beside the registry: what a plan would do, before it does.

```python
from holdfast.rollouts import scenario, simulate
found = simulate(Plan(steps=(0.05, 0.5, 1)), Analysis(), [scenario.parse("1%:6%")])
```
"""

from collections.abc import Sequence

from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.plan import Plan
from holdfast.errors import MissingLibraryError
from holdfast.rollouts.results import (
    AbSimulation,
    ScenarioResult,
    Simulation,
    SimulationSettings,
)
from holdfast.rollouts.scenario import Scenario

__all__ = [
    "AbSimulation",
    "Scenario",
    "ScenarioResult",
    "Simulation",
    "SimulationSettings",
    "simulate",
    "simulate_ab",
]


def simulate(
    plan: Plan,
    analysis: Analysis,
    scenarios: Sequence[Scenario],
    setting: SimulationSettings | None = None,
) -> Simulation:
    """Play a plan against the true rates of each scenario, with a fixed seed.

    Raises:
        InvalidInputError: If the plan, the analysis, a scenario or the setting cannot be.
        MissingLibraryError: If numpy is not installed.
    """
    try:
        from holdfast.rollouts import simulation  # numpy is imported with it
    except ModuleNotFoundError as error:
        raise MissingLibraryError("numpy", "simulate", "simulating rollouts needs it") from error
    return simulation.simulate(plan, analysis, scenarios, setting or SimulationSettings())


def simulate_ab(
    plan: Plan,
    analysis: Analysis,
    scenarios: Sequence[Scenario],
    setting: SimulationSettings | None = None,
) -> AbSimulation:
    """Play an A/B test against the true means of each scenario, with a fixed seed.

    Raises:
        InvalidInputError: If the plan is another, no outcome is asked for, or anything cannot be.
        MissingLibraryError: If numpy is not installed.
    """
    try:
        from holdfast.rollouts import ab_simulation  # numpy is imported with it
    except ModuleNotFoundError as error:
        raise MissingLibraryError("numpy", "simulate", "simulating rollouts needs it") from error
    return ab_simulation.simulate(plan, analysis, scenarios, setting or SimulationSettings())
