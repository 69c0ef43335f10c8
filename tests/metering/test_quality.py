"""The tables of grades and rules are whole, and rules leave a value the grade that their effect says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.metering.codes import ESTIMATED, VALUELESS, Grade, Rule
from cloud.metering.quality import GRADES, RULES, grade_of, rule_ids

NONE = Rule(0)


def graded(rules: int, passed: int) -> Grade:
    return Grade(int(grade_of(np.array([rules], np.uint32), np.array([passed], np.uint32))[0]))


def test_every_grade_and_every_rule_has_a_name_of_its_own() -> None:
    assert list(GRADES) == list(Grade)
    assert list(RULES) == list(Rule)
    texts = [name.text for name in GRADES.values()] + [name.text for name in RULES.values()]
    for language in ("ko", "en"):
        assert len({text.of(language) for text in texts}) == len(texts)
        assert not any("\n" in text.of(language) for text in texts)
    assert [name.id for name in RULES.values()][:18] == [f"V{number:02}" for number in range(1, 19)]


def test_what_a_grade_is_elsewhere() -> None:
    assert {grade: name.flags for grade, name in GRADES.items() if name.ieee_2030_5} == {
        Grade.A: "0001",
        Grade.V: "0001",
        Grade.M: "0002",
        Grade.P: "0004",
        Grade.R: "0004",
        Grade.L: "0008",
        Grade.Q: "0010",
        Grade.D: "0020",
        Grade.F: "0040",
    }
    assert {GRADES[grade].nem12 for grade in VALUELESS} == {"N"}
    assert not any(GRADES[grade].nem12 == "A" for grade in ESTIMATED)


@pytest.mark.parametrize(
    ("rules", "passed", "grade"),
    [
        (NONE, NONE, Grade.A),
        (Rule.V09_ZERO_RUN | Rule.V03_COUNT | Rule.REPLACED, NONE, Grade.A),
        (Rule.V07_SPIKE, NONE, Grade.Q),
        (Rule.V07_SPIKE, Rule.V07_SPIKE, Grade.V),
        (Rule.V07_SPIKE | Rule.V08_HIGH_LOW, Rule.V07_SPIKE, Grade.Q),
        (Rule.V07_SPIKE | Rule.V08_HIGH_LOW, Rule.V07_SPIKE | Rule.V08_HIGH_LOW, Grade.V),
        (Rule.V12_SUM, Rule.V12_SUM, Grade.Q),
        (Rule.V04_MISSING | Rule.V12_SUM, NONE, Grade.N),
        (Rule.V05_NEGATIVE, NONE, Grade.V),
        (Rule.V11_DECREASE | Rule.ROLLOVER, NONE, Grade.V),
        (Rule.V11_DECREASE | Rule.RESET, NONE, Grade.N),
        (Rule.V01_DUPLICATE | Rule.V10_STUCK, NONE, Grade.Q),
        (Rule.V06_PHYSICAL_MAX | Rule.V04_MISSING, NONE, Grade.X),
        (NONE, Rule.V07_SPIKE, Grade.A),
    ],
)
def test_the_grade_that_rules_leave(rules: Rule, passed: Rule, grade: Grade) -> None:
    assert graded(rules, passed) is grade


RANK = [Grade.A, Grade.V, Grade.Q, Grade.N, Grade.X]
SOME_RULES = st.sets(st.sampled_from(list(Rule))).map(sum)


@given(SOME_RULES, SOME_RULES, SOME_RULES)
def test_one_more_rule_never_makes_a_value_better(rules: int, more: int, passed: int) -> None:
    assert RANK.index(graded(rules | more, passed)) >= RANK.index(graded(rules, passed))


def test_rules_by_their_ids() -> None:
    assert rule_ids(Rule.V18_LATE | Rule.V01_DUPLICATE | Rule.OUTAGE) == ["V01", "V18", "OUTAGE"]
    assert rule_ids(0) == []
