"""What a simulation is asked and what it answers."""

from msgspec import Struct

from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.plan import Plan
from holdfast.errors import InvalidInputError
from holdfast.rollouts.scenario import Scenario


class SimulationSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How long and how often.

    Attributes:
        requests: Requests of a run, at which it ends undecided.
        per_minute: Requests in a minute: turns the plan's times into requests. Halting is looked
            at after every request, advancing every minute, or every 1,000 requests if that is
            sooner.
        runs: Independent runs of each scenario.
        seed: Of the random numbers; the same for each scenario.
    """

    requests: int = 20_000
    per_minute: int = 200
    runs: int = 600
    seed: int = 1


class ScenarioResult(Struct, frozen=True, forbid_unknown_fields=True):
    """What became of the runs of one scenario.

    Attributes:
        label: The scenario in words.
        healthy: True if the canary is within every margin, so that each halt is a false one.
        halted: Share of the runs that were halted by a test.
        halt_median: Requests until half of all runs were halted; `None` if they never were.
        halt_p90: The same for nine in ten.
        halt_steps: Of the runs that were halted, the share at each step's weight.
        failed_median: Failed canary requests until the halt, the median of the halted runs.
        completed: Share of the runs that reached all of the traffic.
        undecided: Share of the runs that ended on a step, or that the plan rolled back as overdue.
        curve: Numbers of requests with the share of the runs halted by then.
    """

    scenario: Scenario
    label: str
    healthy: bool
    halted: float
    halt_median: int | None
    halt_p90: int | None
    halt_steps: tuple[tuple[float, float], ...]
    failed_median: float | None
    completed: float
    undecided: float
    curve: tuple[tuple[int, float], ...]


class Simulation(Struct, frozen=True, forbid_unknown_fields=True):
    """A plan held against scenarios."""

    plan: Plan
    analysis: Analysis
    setting: SimulationSettings
    outcomes: tuple[ScenarioResult, ...]


class AbScenarioResult(Struct, frozen=True, forbid_unknown_fields=True):
    """What became of the A/B tests of one scenario.

    Attributes:
        label: The scenario in words.
        false: Share of the tests with a false decision: the side that is not better wins, or a
            difference that matters is denied.
        won: Share that the candidate won.
        lost: Share that it lost.
        no_difference: Share that ended because no difference matters.
        undecided: Share that was not decided.
        keys_median: Keys until half of all tests were decided; `None` if they never were.
        keys_p90: The same for nine in ten.
    """

    scenario: Scenario
    label: str
    false: float
    won: float
    lost: float
    no_difference: float
    undecided: float
    keys_median: int | None
    keys_p90: int | None


class AbSimulation(Struct, frozen=True, forbid_unknown_fields=True):
    """An A/B test held against scenarios; the requests of the setting are keys."""

    plan: Plan
    analysis: Analysis
    setting: SimulationSettings
    outcomes: tuple[AbScenarioResult, ...]


def check(setting: SimulationSettings) -> SimulationSettings:
    """Return *setting* if it can be played.

    Raises:
        InvalidInputError: If a count is below 1 or the seed negative.
    """
    for field in ("requests", "per_minute", "runs"):
        if getattr(setting, field) < 1:
            raise InvalidInputError(
                f"simulation {field}", f"must be 1 or more, not {getattr(setting, field)}"
            )
    if setting.seed < 0:
        raise InvalidInputError("simulation seed", f"must be 0 or more, not {setting.seed}")
    return setting
