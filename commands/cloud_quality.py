"""`bitgoeul cloud quality ...`: how far to trust what an area measured, asked of its running process."""

import argparse
from pathlib import Path
from typing import Any

from cloud.metering.codes import Grade
from cloud.metering.quality import GRADES, RULES, rule_ids
from commands import cloud_quality_ask as ask
from commands.cloud_quality_ask import day_text, fetch, milli_text, slot_text
from commands.language import language, say
from commands.table import render

ALL_RULES = 2**32 - 1
ROWS = 1000  # of a list
SUMMARY_TIMEOUT_S = 120.0
BY_ID = {name.id: rule for rule, name in RULES.items()}


def options(parser: argparse.ArgumentParser) -> None:
    """A subcommand for each question."""
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    made = {
        name: what.add_parser(name, help=text, description=text)
        for name, text in (
            ("list", say("하루 규칙과 구간 규칙에 걸린 것", "what the rules found, of days and of slots")),
            ("show", say("한 계량기의 하루, 96구간", "one meter's day, slot by slot")),
            ("summary", say("확보율, 추정 비율, 등급과 규칙별 수", "coverage, estimates, counts by grade and rule")),
            ("edit", say("구간 하나의 값을 손으로 고칩니다", "set the value of one slot by hand")),
            ("edits", say("손으로 고친 기록", "what was edited by hand")),
            ("rules", say("등급과 규칙의 표", "the table of grades and rules")),
        )
    }
    for name, one in made.items():
        one.add_argument("--json", action="store_true", help=say("JSON으로", "as JSON"))
        if name != "rules":
            one.add_argument(
                "--socket",
                type=Path,
                required=True,
                help=say("구역 프로세스의 소켓", "the socket of the area's process"),
            )
    for name in ("list", "summary"):
        made[name].add_argument("--day", metavar="YYYY-MM-DD", help=say("이 날 (기본: 어제)", "this day (yesterday)"))
        made[name].add_argument("--from", dest="first", metavar="YYYY-MM-DD", help=say("이 날부터", "from this day"))
        made[name].add_argument("--to", dest="last", metavar="YYYY-MM-DD", help=say("이 날까지", "until this day"))
    listed, shown, edited = made["list"], made["show"], made["edit"]
    listed.add_argument("--rule", choices=sorted(BY_ID), metavar="V07", help=say("이 규칙만", "this rule only"))
    listed.add_argument("--grade", choices=[one.name for one in Grade], help=say("이 등급만", "this grade only"))
    for one in (listed, made["edits"]):
        one.add_argument("--meter", help=say("이 계량기만", "this meter only"))
    shown.add_argument("meter", metavar="METER")
    shown.add_argument("--day", metavar="YYYY-MM-DD", required=True)
    for name in ("meter", "quantity", "slot", "value"):
        edited.add_argument(name, metavar=name.upper())
    edited.add_argument("--by", required=True, metavar="NAME", help=say("고치는 사람", "who edits"))
    edited.add_argument("--reason", required=True, metavar="TEXT", help=say("까닭", "for what reason"))


def run(args: argparse.Namespace) -> int:
    """0 when it was answered."""
    does = {"list": _list, "show": _show, "summary": _summary, "edit": _edit, "edits": _edits, "rules": _rules}
    return does[args.what](args)


def _list(args: argparse.Namespace) -> int:
    first, end = ask.days(args.day, args.first, args.last)
    rules = int(BY_ID[args.rule]) if args.rule else ALL_RULES
    days: list[dict[str, Any]] = []
    if args.grade is None:
        asked = {"start": first, "end": end, "rules": rules, "meter": args.meter, "limit": ROWS}
        days = [_told(row) for row in fetch(args.socket, "findings", **asked)]
    asked = {"start": ask.begin_s(first), "end": ask.begin_s(end), "rules": rules, "meter": args.meter, "limit": ROWS}
    asked["grade"] = int(Grade[args.grade]) if args.grade else None
    slots = [_told(row) for row in fetch(args.socket, "flagged", **asked)]
    if args.json:
        return ask.print_json({"days": days, "slots": slots})
    for head, rows in ((say("하루", "day"), days), (say("구간", "slot"), slots)):
        lines = [_line(row) for row in rows]
        print("\n".join(render([(head, say("계량기", "meter"), say("양", "quantity"), say("값", "value"),
                                 say("등급", "grade"), say("규칙", "rules")), *lines], right=(3,))) if lines
              else say(f"{head}: 해당하는 것이 없습니다", f"{head}: nothing found"))  # fmt: skip
        if len(rows) == ROWS:
            print(say(f"처음 {ROWS:,}건만 보입니다", f"the first {ROWS:,} rows only; narrow the question"))
    return 0


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """A row of findings, flagged or usage, for people and programs."""
    rules = row["rules"] if "rules" in row else row["flags"]
    told: dict[str, Any] = {"day": day_text(row["day"])} if "day" in row else {"slot": slot_text(row["slot_s"])}
    told |= {name: row[name] for name in ("meter", "quantity") if name in row}
    if "grade" in row:
        told |= {"milli": row["milli"], "grade": Grade(row["grade"]).name}
    told["rules"] = rule_ids(rules)
    if "passed" in row:
        told |= {"passed": rule_ids(row["passed"]), "shift_slots": row["shift"]}
    return told


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    when = row.get("day") or row["slot"]
    value = milli_text(row["milli"]) if "milli" in row else ""
    return when, row["meter"], row["quantity"], value, row.get("grade", ""), _words(row["rules"])


def _words(rules: list[str]) -> str:
    texts = {name.id: name.text.of(language()) for name in RULES.values()}
    return "; ".join(f"{one} {texts[one]}" for one in rules)


def _show(args: argparse.Namespace) -> int:
    day = ask.day(args.day)
    span = {"start": ask.begin_s(day), "end": ask.begin_s(day + 1)}
    slots = [_told(row) for row in fetch(args.socket, "usage", meter=args.meter, **span)]
    found = [_told(row) for row in fetch(args.socket, "findings", start=day, end=day + 1, meter=args.meter)]
    edits = [_edit_of(row) for row in fetch(args.socket, "edits", meter=args.meter)]
    edits = [row for row in edits if row["slot"].startswith(day_text(day))]
    if args.json:
        return ask.print_json({"meter": args.meter, "day": day_text(day), "slots": slots, "day_rules": found,
                               "edits": edits})  # fmt: skip
    if not slots:
        print(say("이 날 정산된 구간이 없습니다", "no slot of this day is settled"))
    for quantity in dict.fromkeys(row["quantity"] for row in slots):
        print(f"{args.meter} {quantity} {day_text(day)}")
        rows = [row for row in slots if row["quantity"] == quantity]
        lines = [(row["slot"][11:16], milli_text(row["milli"]), row["grade"], _words(row["rules"])) for row in rows]
        print("\n".join(render(lines, right=(1,))))
        for row in found:
            if row["quantity"] == quantity:
                print(say("하루: ", "day: ") + _words(row["rules"]))
    for row in edits:
        print(_edit_line(row))
    return 0


def _summary(args: argparse.Namespace) -> int:
    first, end = ask.days(args.day, args.first, args.last)
    span = {"start_s": ask.begin_s(first), "end_s": ask.begin_s(end)}
    grades, rules = dict[str, int](), dict[str, int]()
    for row in fetch(args.socket, "grades", SUMMARY_TIMEOUT_S, **span):
        letter = Grade(row["grade"]).name
        grades[letter] = grades.get(letter, 0) + row["slots"]
        for rule in rule_ids(row["flags"]):
            rules[rule] = rules.get(rule, 0) + row["slots"]
    days = dict[str, int]()
    for row in fetch(args.socket, "found", SUMMARY_TIMEOUT_S, first_day=first, end_day=end):
        for rule in rule_ids(row["rules"]):
            days[rule] = days.get(rule, 0) + row["days"]
    total = sum(grades.values())
    known = total - sum(grades.get(letter, 0) for letter in "NX")
    estimated = sum(grades.get(letter, 0) for letter in "LPRF")
    found = {
        "from": day_text(first),
        "to": day_text(end - 1),
        "slots": total,
        "coverage": known / total if total else None,
        "estimated_share": estimated / known if known else None,
        "grades": grades,
        "slot_rules": rules,
        "day_rules": days,
    }
    if args.json:
        return ask.print_json(found)
    _print_summary(found)
    return 0


def _print_summary(found: dict[str, Any]) -> None:
    share = {name: "-" if found[name] is None else f"{found[name]:.2%}" for name in ("coverage", "estimated_share")}
    print(f"{found['from']} - {found['to']}: " + say(
        f"구간 {found['slots']:,}개, 확보율 {share['coverage']}, 그중 추정 {share['estimated_share']}",
        f"{found['slots']:,} slots, coverage {share['coverage']}, of that estimated {share['estimated_share']}",
    ))  # fmt: skip
    lines = [(letter, f"{count:,}", GRADES[Grade[letter]].text.of(language()))
             for letter, count in found["grades"].items()]  # fmt: skip
    for name, unit in (("slot_rules", say("구간", "slots")), ("day_rules", say("일", "days"))):
        lines += [
            (rule, f"{count:,} {unit}", _words([rule])[4:].strip()) for rule, count in sorted(found[name].items())
        ]
    if lines:
        print("\n".join(render(lines, right=(1,))))


def _edit(args: argparse.Namespace) -> int:
    slot_s, milli = ask.slot(args.slot), ask.milli(args.value)
    what = {"meter": args.meter, "quantity": args.quantity, "slot_s": slot_s, "milli": milli}
    (row,) = fetch(args.socket, "edit", who=args.by, reason=args.reason, **what)
    if args.json:
        return ask.print_json(_edit_of(row))
    print(_edit_line(_edit_of(row)))
    print(say("다음 정산에서 반영됩니다", "it counts once the slot is settled again"))
    return 0


def _edits(args: argparse.Namespace) -> int:
    rows = [_edit_of(row) for row in fetch(args.socket, "edits", meter=args.meter, limit=ROWS)]
    if args.json:
        return ask.print_json(rows)
    print("\n".join(map(_edit_line, rows)) or say("고친 것이 없습니다", "nothing was edited"))
    return 0


def _edit_of(row: dict[str, Any]) -> dict[str, Any]:
    told = {name: row[name] for name in ("id", "meter", "quantity")}
    told |= {"slot": slot_text(row["slot_s"]), "milli": row["milli"], "by": row["who"], "reason": row["reason"]}
    return told | {"at": slot_text(row["at_s"])}


def _edit_line(row: dict[str, Any]) -> str:
    value = milli_text(row["milli"])
    what = (str(row["id"]), row["slot"], row["meter"], row["quantity"], value, row["by"], row["reason"])
    return ask.printable("  ".join(what))


def _rules(args: argparse.Namespace) -> int:
    grades = [
        {"grade": grade.name, "ko": name.text.ko, "en": name.text.en, "ieee_2030_5": name.flags,
         "aemo": name.nem12, "iec_61968_9": name.iec_61968_9}
        for grade, name in GRADES.items()
    ]  # fmt: skip
    rules = [
        {"rule": name.id, "bit": int(rule).bit_length() - 1, "effect": name.effect.name, "ko": name.text.ko,
         "en": name.text.en}
        for rule, name in RULES.items()
    ]  # fmt: skip
    if args.json:
        return ask.print_json({"grades": grades, "rules": rules})
    words = language()
    names = ("grade", words, "ieee_2030_5", "aemo", "iec_61968_9")
    head = (say("등급", "grade"), say("뜻", "meaning"), "IEEE 2030.5", "AEMO", "IEC 61968-9")
    print("\n".join(render([head, *(tuple(str(row[name]) for name in names) for row in grades)])) + "\n")
    texts = [(str(row["rule"]), str(row[words]), str(row["effect"]).lower()) for row in rules]
    print("\n".join(render([(say("규칙", "rule"), say("뜻", "meaning"), say("결과", "effect")), *texts])))
    return 0
