"""PURE: what grades and rules are called, what they are elsewhere, and which grade the rules leave a value."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from cloud.metering.arrays import Bits, Grades
from cloud.metering.codes import Grade, Rule
from contract.problems import Text


@dataclass(frozen=True)
class GradeName:
    """A grade for people and for other systems.

    `ieee_2030_5` is the bitmap `qualityFlags`: bit 0 valid, 1 edited, 2 estimated by a reference day, 3 by linear
    interpolation, 4 questionable, 5 derived, 6 projected. `nem12` is AEMO's letter, `iec_61968_9` the quality code.
    """

    text: Text
    ieee_2030_5: int
    nem12: str
    iec_61968_9: str

    @property
    def flags(self) -> str:
        """`ieee_2030_5` as that standard writes it: four hexadecimal digits."""
        return f"{self.ieee_2030_5:04X}"


GRADES: Mapping[Grade, GradeName] = {
    Grade.A: GradeName(Text("실측", "actual"), 1 << 0, "A", "3.0.0"),
    Grade.V: GradeName(Text("실측, 경고 후 확인됨", "actual, validated after a warning"), 1 << 0, "A", "3.0.0"),
    Grade.Q: GradeName(Text("실측, 의심됨", "actual, questionable"), 1 << 4, "A", "3.5.259"),
    Grade.L: GradeName(Text("추정: 직선 보간", "estimated: linear"), 1 << 3, "S", "3.8.0"),
    Grade.P: GradeName(Text("추정: 유사일", "estimated: like days"), 1 << 2, "S", "3.8.0"),
    Grade.R: GradeName(
        Text("추정: 지침 차이를 유사일로 배분", "estimated: a register difference laid out by like days"),
        1 << 2,
        "S",
        "3.8.0",
    ),
    Grade.M: GradeName(Text("수동 수정", "edited by hand"), 1 << 1, "F", "3.7.0"),
    Grade.N: GradeName(Text("없음", "missing"), 0, "N", "2.5.259"),
    Grade.D: GradeName(Text("다른 계량기에서 산출", "derived from other meters"), 1 << 5, "S", "3.11.0"),
    Grade.F: GradeName(Text("예측", "forecast"), 1 << 6, "E", "3.12.0"),
    Grade.X: GradeName(Text("기각됨", "rejected"), 0, "N", "3.6.0"),
}


class Effect(IntEnum):
    """What a rule does to an actual value; of several, the highest holds."""

    NOTE = 0  # nothing: A
    MENDED = 1  # V: what the rule found was set right when the slot was settled
    WARNING = 2  # V when it passes its second look, else Q
    OBJECTION = 3  # Q
    NO_VALUE = 4  # N
    IMPOSSIBLE = 5  # X


@dataclass(frozen=True)
class RuleName:
    """A rule for people, and its effect."""

    id: str
    effect: Effect
    text: Text


_RULES = (
    (Rule.V01_DUPLICATE, Effect.MENDED, "같은 시각에 값이 둘입니다", "two values for one moment"),
    (Rule.V02_OFF_GRID, Effect.MENDED, "읽은 시각이 어긋났습니다", "read too far from its time"),
    (Rule.V03_COUNT, Effect.NOTE, "하루의 실측 구간이 모자랍니다", "fewer measured slots in the day than expected"),
    (Rule.V04_MISSING, Effect.NO_VALUE, "구간의 값이 없습니다", "the slot has no value"),
    (Rule.V05_NEGATIVE, Effect.MENDED, "음수가 되는 값을 버렸습니다", "a reading that made usage negative was dropped"),
    (Rule.V06_PHYSICAL_MAX, Effect.IMPOSSIBLE, "물리적 최대치를 넘습니다", "more than is physically possible"),
    (Rule.V07_SPIKE, Effect.WARNING, "하나만 지나치게 높습니다", "one value far above all others"),
    (Rule.V08_HIGH_LOW, Effect.WARNING, "평소 사용량과 크게 다릅니다", "far from the meter's own usual use"),
    (Rule.V09_ZERO_RUN, Effect.NOTE, "여러 날 사용이 없습니다", "no use for days"),
    (Rule.V10_STUCK, Effect.OBJECTION, "같은 값이 되풀이됩니다", "the same value again and again"),
    (Rule.V11_DECREASE, Effect.MENDED, "지침이 줄었습니다", "the register fell"),
    (Rule.V12_SUM, Effect.OBJECTION, "구간 합이 지침 차이와 다릅니다", "slots do not add up to the registers"),
    (
        Rule.V13_PARENT_CHILD,
        Effect.WARNING,
        "하위 계량기의 합과 맞지 않습니다",
        "a main disagrees with the sum of its subs",
    ),
    (
        Rule.V14_UNIT_CHANGE,
        Effect.OBJECTION,
        "단위나 배율이 바뀐 듯합니다",
        "its unit or multiplier seems to have changed",
    ),
    (Rule.V15_CLOCK_SHIFT, Effect.OBJECTION, "시계가 어긋난 듯합니다", "the clock seems to be off"),
    (Rule.V16_PERIODS, Effect.OBJECTION, "검침 기간이 겹치거나 비었습니다", "billing periods overlap or leave a gap"),
    (Rule.V17_CROSS_UTILITY, Effect.WARNING, "날씨나 해와 맞지 않습니다", "at odds with the weather or the sun"),
    (Rule.V18_LATE, Effect.NOTE, "정산 뒤에 왔거나 바뀌었습니다", "came or changed after settling"),
    (Rule.OUTAGE, Effect.NOTE, "알려진 중단 중입니다", "lies in a known outage"),
    (Rule.RESET, Effect.NO_VALUE, "끝값 없이 지침이 새로 시작했습니다", "the register began anew without a known end"),
    (Rule.ROLLOVER, Effect.MENDED, "지침이 한 바퀴 돌았습니다", "the register turned over"),
    (Rule.REPLACED, Effect.NOTE, "계량기가 교체되었습니다", "the meter was replaced"),
)

RULES: Mapping[Rule, RuleName] = {
    rule: RuleName(str(rule.name).partition("_")[0], effect, Text(ko, en)) for rule, effect, ko, en in _RULES
}


def bits_of(effect: Effect) -> int:
    """All rules of one effect, as bits."""
    return sum(int(rule) for rule, name in RULES.items() if name.effect is effect)


_MENDED, _WARNING, _OBJECTION, _NO_VALUE, _IMPOSSIBLE = (np.uint32(bits_of(effect)) for effect in list(Effect)[1:])


def grade_of(rules: Bits, passed: Bits) -> Grades:
    """The grade of a value that came from the meter. `passed` holds the warnings that passed their second look."""
    warned = rules & (_MENDED | _WARNING) != 0
    objected = rules & (_OBJECTION | _WARNING & ~passed) != 0
    grade = np.where(objected, Grade.Q, np.where(warned, Grade.V, Grade.A))
    grade = np.where(rules & _NO_VALUE != 0, Grade.N, grade)
    return np.where(rules & _IMPOSSIBLE != 0, Grade.X, grade).astype(np.uint8)


def rule_ids(rules: int) -> list[str]:
    """The rules whose bits are set, by their ids."""
    return [name.id for rule, name in RULES.items() if rules & rule]
