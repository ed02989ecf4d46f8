"""The rules of lead scoring: versioned YAML in, a frozen and validated model out.

The numbers are a contract with everyone who reads a score, so a file that is not complete and consistent is
refused, with every fault that it has.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from importlib.resources import files
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StrictInt,
    ValidationError,
    model_validator,
)

from services.lead_scoring.decay import Decay

RULES_FILE = "scoring_rules.v1.yaml"

Grade = Literal["A1", "A2", "A3", "B1", "B2", "B3", "C1", "C2", "C3", "D1", "D2", "D3"]
Name = TypeVar("Name", Literal["A", "B", "C", "D"], Literal[1, 2, 3])
Priority = Literal["hot", "warm", "nurture", "cold"]

GRADES: tuple[Grade, ...] = get_args(Grade)

EMAILING_ACTIONS = frozenset({"send_tailored_proposal", "enrol_in_follow_up_sequence", "keep_in_newsletter"})


def _text(value: object) -> object:
    """A decimal is written as text: YAML would read 1.20 as a binary fraction."""
    if not isinstance(value, str):
        raise ValueError("must be a decimal in quotes")
    return value


def _highest_first(steps: dict[Any, int]) -> dict[Any, int]:
    return dict(sorted(steps.items(), reverse=True))


Points = Annotated[StrictInt, Field(ge=0, le=100)]
Exact = Annotated[Decimal, BeforeValidator(_text), Field(allow_inf_nan=False, ge=0)]


class RulesError(Exception):
    """A rules file does not hold valid rules. The message lists every fault, a line each."""


class _Part(BaseModel, frozen=True, extra="forbid"):
    pass


class Group(_Part):
    """A group of signals: `cap` is the most points it can add, or `floor` the most it can take away."""

    cap: Points | None = None
    floor: Points | None = None

    @cached_property
    def limit(self) -> int:
        """The most that the group's sum can be, in millipoints."""
        return 1000 * (self.cap if self.floor is None else self.floor)  # type: ignore[operator]  # one of them is set

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.cap is None) == (self.floor is None):
            raise ValueError("must have either a cap or a floor")
        return self


class Signal(_Part):
    """What a signal is worth: `points` at age 0, halved every `half_life` days, `per` what is counted."""

    group: str
    points: Annotated[StrictInt, Field(gt=0, le=100)]
    half_life: Annotated[StrictInt, Field(gt=0, le=3650)]
    per: Literal["activity", "day", "message", "order"]

    @cached_property
    def worth(self) -> Decay:
        """What one count is worth, by its age in days."""
        return Decay(self.points, self.half_life)


class Match(_Part):
    """Points for a value that is among the wanted ones, and where nothing is known."""

    match: Points
    unknown: Points


class IndustryMatch(Match):
    """As `Match`; `own_industry` where the event is at least of the sponsor's own industry."""

    own_industry: Points


class Budget(_Part):
    """Points for a proposal inside the sponsor's budget, or above it by no more than `near_factor`."""

    inside: Points
    near: Points
    unknown: Points
    near_factor: Annotated[Exact, Field(ge=1)]


class TrackRecord(_Part):
    """Points for what a sponsor did before: each table gives the points from a step upwards, highest first."""

    sponsorships: Annotated[dict[Annotated[StrictInt, Field(ge=0)], Points], AfterValidator(_highest_first)]
    renewal_rate: Annotated[dict[Exact, Points], AfterValidator(_highest_first)]
    average_roi: Annotated[dict[Exact, Points], AfterValidator(_highest_first)]


class SharedValues(_Part):
    """Points for values that sponsor and event share."""

    two_or_more: Points
    one: Points
    unknown: Points


class Similarity(_Part):
    """Points for embeddings that point the same way: `max` at a cosine of 1."""

    max: Points
    unknown: Points


class FitRules(_Part):
    """The seven inputs of fit."""

    industry: IndustryMatch
    event_type: Match
    budget: Budget
    track_record: TrackRecord
    location: Match
    values: SharedValues
    similarity: Similarity


def _by_points(least: dict[Name, int]) -> Sequence[Name]:
    return [min(name for name, reached in least.items() if points >= reached) for points in range(101)]


class Thresholds(_Part):
    """The least fit of each letter and the least engagement of each digit."""

    fit: dict[Literal["A", "B", "C", "D"], Points]
    engagement: dict[Literal[1, 2, 3], Points]

    @cached_property
    def letters(self) -> Sequence[str]:
        """The letter of each fit from 0 to 100."""
        return _by_points(self.fit)

    @cached_property
    def digits(self) -> Sequence[int]:
        """The digit of each engagement from 0 to 100."""
        return _by_points(self.engagement)

    @model_validator(mode="after")
    def _descend(self) -> Self:
        for name, table, size in (("fit", self.fit, 4), ("engagement", self.engagement, 3)):
            least = [points for _, points in sorted(table.items())]
            if len(least) != size or least != sorted(set(least), reverse=True) or least[-1] != 0:
                raise ValueError(f"{name} must name {size} grades, best first, falling to 0")
        return self


class Weights(_Part):
    """How much of a score each axis makes, in percent."""

    fit: Points
    engagement: Points

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.fit + self.engagement != 100:
            raise ValueError("must add up to 100")
        return self


class Actions(_Part):
    """What to do about a lead of each priority; `do_not_email` replaces whatever would send an e-mail."""

    hot: tuple[str, ...]
    warm: tuple[str, ...]
    nurture: tuple[str, ...]
    cold: tuple[str, ...]
    do_not_email: tuple[str, ...]


class Rules(_Part):
    """One version of the scoring rules (README.md says how the numbers combine)."""

    version: Annotated[StrictInt, Field(ge=1)]
    groups: dict[str, Group]
    signals: dict[str, Signal]
    fit: FitRules
    grades: Thresholds
    weights: Weights
    priorities: dict[Priority, tuple[Grade, ...]]
    conversion_probability: dict[Grade, Annotated[Exact, Field(le=1)]]
    recommended_actions: Actions

    @cached_property
    def priority_of(self) -> Mapping[str, Priority]:
        """The priority of each grade."""
        return {grade: priority for priority, grades in self.priorities.items() for grade in grades}

    @cached_property
    def actions_of(self) -> Mapping[tuple[Priority, bool], Sequence[str]]:
        """What to do about a lead, by its priority and whether its sponsor's gate is closed."""
        return {
            (it, closed): self._actions(it, gate_closed=closed) for it in self.priorities for closed in (False, True)
        }

    def _actions(self, priority: Priority, *, gate_closed: bool) -> Sequence[str]:
        """Behind a closed gate, what sends e-mail gives way to what does not."""
        actions: list[str] = []
        for action in getattr(self.recommended_actions, priority):
            instead = self.recommended_actions.do_not_email
            actions += instead if gate_closed and action in EMAILING_ACTIONS else (action,)
        return list(dict.fromkeys(actions))

    @cached_property
    def negative_signals(self) -> frozenset[str]:
        """The signals that take away."""
        return frozenset(name for name, it in self.signals.items() if self.groups[it.group].cap is None)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        faults = [
            f"signals.{name}: there is no group {signal.group!r}"
            for name, signal in self.signals.items()
            if signal.group not in self.groups
        ]
        prioritised = Counter(grade for grades in self.priorities.values() for grade in grades)
        for grade in GRADES:
            if prioritised[grade] != 1:
                faults.append(f"priorities: {grade} must stand once, not {prioritised[grade]} times")
            if grade not in self.conversion_probability:
                faults.append(f"conversion_probability: {grade} is missing")
        if faults:
            raise ValueError("\n".join(faults))
        return self


def load_rules(name: str = RULES_FILE) -> Rules:
    """Load the rules file `name` of this package. Raises RulesError."""
    return parse_rules(files(__package__).joinpath(name).read_text("utf-8"))


def parse_rules(text: str) -> Rules:
    """Read rules from YAML. Raises RulesError."""
    try:
        return Rules.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise RulesError(f"not YAML: {error}") from None
    except ValidationError as error:
        raise RulesError("\n".join(_faults(error))) from None


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_url=False, include_input=False):
        where = ".".join(map(str, fault["loc"]))
        for line in fault["msg"].removeprefix("Value error, ").splitlines():
            yield f"{where}: {line}" if where else line
