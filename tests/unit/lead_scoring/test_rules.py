"""The rules file: what is in it, and that every fault in one is said."""

from importlib.resources import files
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from contracts.lead_signals import LEAD_SIGNALS
from services.lead_scoring.domain import GATE_SIGNALS
from services.lead_scoring.rules import EMAILING_ACTIONS, RULES_FILE, RulesError, load_rules, parse_rules

TEXT = files("services.lead_scoring").joinpath(RULES_FILE).read_text("utf-8")


def faults(**changes: Any) -> list[str]:
    """The faults of the rules with values replaced: `signals__email_opened__points=0`."""
    document = yaml.safe_load(TEXT)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = document
        for parent in parents:
            place = place[parent]
        if value is None:
            del place[last]
        else:
            place[last] = value
    with pytest.raises(RulesError) as refused:
        parse_rules(yaml.safe_dump(document))
    return str(refused.value).splitlines()


def test_the_rules_score_exactly_the_signals_that_intake_contributes() -> None:
    assert load_rules().signals.keys() == frozenset().union(*LEAD_SIGNALS.values())


def test_the_signals_of_the_gate_and_the_actions_behind_it_are_ones_of_the_rules() -> None:
    rules = load_rules()
    actions = rules.recommended_actions
    assert rules.signals.keys() >= GATE_SIGNALS
    assert {*actions.hot, *actions.warm, *actions.nurture, *actions.cold} > EMAILING_ACTIONS
    assert not EMAILING_ACTIONS & {*actions.do_not_email}


def test_the_version_in_the_file_is_the_one_in_its_name() -> None:
    assert f"scoring_rules.v{load_rules().version}.yaml" == RULES_FILE


def test_rules_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        load_rules().weights.fit = 50  # type: ignore[misc]


def test_every_fault_is_said_a_line_each() -> None:
    assert faults(version=0, signals__email_opened__points="1", fit__location=None, colour="blue") == [
        "version: Input should be greater than or equal to 1",
        "signals.email_opened.points: Input should be a valid integer",
        "fit.location: Field required",
        "colour: Extra inputs are not permitted",
    ]


def test_faults_between_parts_are_said_together_too() -> None:
    assert faults(
        signals__email_opened__group="mail",
        priorities__hot=["A1", "A2"],
        priorities__cold=["C3", "D2", "D3", "A1"],
        conversion_probability__D3=None,
    ) == [
        "signals.email_opened: there is no group 'mail'",
        "priorities: A1 must stand once, not 2 times",
        "priorities: B1 must stand once, not 0 times",
        "conversion_probability: D3 is missing",
    ]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"groups__email": {}}, "groups.email: must have either a cap or a floor"),
        ({"groups__email": {"cap": 1, "floor": 1}}, "groups.email: must have either a cap or a floor"),
        ({"weights": {"fit": 45, "engagement": 54}}, "weights: must add up to 100"),
        (
            {"grades__fit": {"A": 75, "B": 80, "C": 35, "D": 0}},
            "grades: fit must name 4 grades, best first, falling to 0",
        ),
        (
            {"grades__engagement": {1: 60, 2: 25}},
            "grades: engagement must name 3 grades, best first, falling to 0",
        ),
        (
            {"grades__engagement": {1: 60, 2: 25, 3: 1}},
            "grades: engagement must name 3 grades, best first, falling to 0",
        ),
        ({"conversion_probability__A1": 0.6}, "conversion_probability.A1: must be a decimal in quotes"),
        (
            {"conversion_probability__A1": "1.01"},
            "conversion_probability.A1: Input should be less than or equal to 1",
        ),
        (
            {"fit__budget__near_factor": "0.99"},
            "fit.budget.near_factor: Input should be greater than or equal to 1",
        ),
        ({"signals__email_opened__half_life": 0}, "signals.email_opened.half_life: Input should be greater than 0"),
    ],
)  # fmt: skip
def test_rules_that_contradict_themselves_are_refused(change: dict[str, Any], fault: str) -> None:
    assert faults(**change) == [fault]


def test_text_that_is_no_yaml_or_no_rules_is_refused() -> None:
    for text in ("version: [", "", "- 1"):
        with pytest.raises(RulesError):
            parse_rules(text)
