"""What scenarios find: tables, requirements and charts, all plain data, so that they become JSON, text and pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a title. Columns whose name starts with `#` hold numbers and are set to the right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Requirement:
    """What must be seen: a figure at least, or at most, of this bound."""

    what: str
    measured: float
    sense: Literal["at least", "at most"]
    bound: float
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether it was seen."""
        return self.measured >= self.bound if self.sense == "at least" else self.measured <= self.bound


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars side by side for each group: series → a value for each of `groups`, None where there is none."""

    title: str
    axis: str
    groups: Sequence[str]
    series: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True, slots=True)
class Lines:
    """Curves: series → its points (x, y)."""

    title: str
    x_axis: str
    y_axis: str
    series: Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class Section:
    """All that one scenario found."""

    name: str
    tables: Sequence[Table] = ()
    requirements: Sequence[Requirement] = ()
    charts: Sequence[Bars | Lines] = ()


@dataclass(frozen=True, slots=True)
class Results:
    """All that one run found, and where: machine facts by name, `records` of the mixed backlog."""

    begun: str
    machine: Mapping[str, str]
    records: int
    sections: Sequence[Section]

    @property
    def requirements(self) -> list[Requirement]:
        """The requirements of all sections."""
        return [requirement for section in self.sections for requirement in section.requirements]
