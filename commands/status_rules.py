"""What is well and what is not, by what services, areas and folders say: pure, one line each, in both languages."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cloud.mirror.gateways import UNHEARD_S
from cloud.mirror.scraping import Answer, Samples
from contract.problems import Text

State = Literal["ok", "warn", "bad"]
NOTHING = Text("", "")
SLOT_S = 900
LAG_WARN_S, LAG_BAD_S = 60.0, 900.0
STORED_WARN_S, STORED_BAD_S = 600.0, 1800.0
SETTLED_WARN_S, SETTLED_BAD_S = 2 * SLOT_S + 300, 8 * SLOT_S
MIRRORED_WARN_S, MIRRORED_BAD_S = 3 * SLOT_S + 300, 8 * SLOT_S
DISK_WARN, DISK_BAD = 0.15, 0.05  # of it free
BACKUP_WARN_S, BACKUP_BAD_S = 26 * 3600.0, 3 * 86_400.0
CERTIFICATE_WARN_S, CERTIFICATE_BAD_S = 30 * 86_400, 3 * 86_400
OFFLINE_BAD = 0.5
DEAD_BAD = 0.1
NAMED = 3  # of many, so many by name


@dataclass(frozen=True)
class Line:
    """`key` names the part for programs, and the place `status-KEY` in docs/operations.md."""

    key: str
    name: Text
    state: State
    words: Text
    todo: Text = NOTHING


@dataclass(frozen=True)
class AreaSaid:
    """The first row of an area's table "settle", and its tables "gateways" and "quarantine-counts" as rows."""

    settle: Mapping[str, Any]
    gateways: Sequence[Mapping[str, Any]]
    quarantine: Sequence[Mapping[str, Any]]


def worst(value: float, warn: float, bad: float) -> State:
    """By how large it is."""
    return "bad" if value > bad else "warn" if value > warn else "ok"


def span(seconds: float) -> Text:
    """How long, in the largest unit of which it is two or more."""
    for size, ko, en in ((31_557_600, "년", "y"), (86_400, "일", "d"), (3600, "시간", "h"), (60, "분", "min")):
        if seconds >= 2 * size:
            return Text(f"{seconds / size:.0f}{ko}", f"{seconds / size:.0f} {en}")
    return Text(f"{seconds:.0f}초", f"{seconds:.0f} s")


def service_line(name: str, answer: Answer, now_s: float) -> Line:
    """Whether a service answers and is well."""
    title = Text(f"서비스 {name}", f"service {name}")
    if not answer.up:
        todo = Text(f"{name} 서비스의 기록을 보고 다시 띄우십시오", f"read {name}'s log, and start it again")
        return Line("service", title, "bad", Text("응답하지 않습니다", "does not answer"), todo)
    if not answer.well:
        todo = Text(f"{name} 서비스의 기록에서 까닭을 찾으십시오", f"find the reason in {name}'s log")
        return Line("service", title, "bad", Text(f"이상: {answer.trouble}", f"not well: {answer.trouble}"), todo)
    totals = answer.samples.totals
    begun_s, rss = totals.get("process_start_time_seconds"), totals.get("process_resident_memory_bytes")
    up = span(now_s - begun_s) if begun_s else None
    memory = f", {rss / 1e6:,.0f} MB" if rss else ""
    words = Text(f"{up.ko} 동안 정상{memory}", f"well for {up.en}{memory}") if up else Text("정상", "well")
    return Line("service", title, "ok", words)


def figure_lines(name: str, samples: Samples, now_s: float) -> Iterator[Line]:
    """What the figures of a service tell beyond that: whose they are is seen by their names."""
    totals = samples.totals
    if "bitgoeul_ingest_readings_total" in totals:
        yield _broker(name, totals)
        yield _ingest(name, totals, now_s)
    if "bitgoeul_disk_size_bytes" in totals:
        yield disk_line(name, totals["bitgoeul_disk_free_bytes"], totals["bitgoeul_disk_size_bytes"])
    if "bitgoeul_portal_listeners" in totals:
        yield _portal(totals)
    if (newest_s := totals.get("bitgoeul_mirror_newest_slot_seconds")) is not None:
        yield _mirror(newest_s, now_s)


def _broker(name: str, totals: Mapping[str, float]) -> Line:
    title = Text(f"브로커 ({name})", f"broker ({name})")
    if totals.get("bitgoeul_ingest_broker_connected") == 1:
        return Line("broker", title, "ok", Text("연결됨", "connected"))
    todo = Text("브로커가 떠 있는지, 인증서가 맞는지 보십시오", "see whether the broker runs, and the certificates fit")
    return Line("broker", title, "bad", Text("연결되지 않음", "not connected"), todo)


def _ingest(name: str, totals: Mapping[str, float], now_s: float) -> Line:
    title = Text(f"수집 ({name})", f"ingest ({name})")
    readings = totals["bitgoeul_ingest_readings_total"]
    if totals.get("bitgoeul_ingest_store_available") == 0:
        todo = Text("디스크가 찼는지, 저장소가 떠 있는지 보십시오", "see whether a disk is full, or the store is down")
        return Line("ingest", title, "bad", Text("저장소를 쓸 수 없음", "the store takes nothing"), todo)
    if not readings:
        todo = Text("게이트웨이가 이 브로커로 보내는지 보십시오", "see whether gateways send to this broker")
        return Line("ingest", title, "warn", Text("아직 온 것이 없음", "nothing has come yet"), todo)
    age_s = now_s - totals.get("bitgoeul_ingest_stored_seconds", now_s)
    ago = span(max(0.0, age_s))
    words = Text(f"측정값 {readings:,.0f}건, 마지막은 {ago.ko} 전", f"{readings:,.0f} readings, the last {ago.en} ago")
    todo = Text(
        "브로커, 망, 이 서버의 시각을 차례로 보십시오", "see to the broker, the network, and this machine's clock"
    )
    return Line("ingest", title, worst(age_s, STORED_WARN_S, STORED_BAD_S), words, todo)


def _portal(totals: Mapping[str, float]) -> Line:
    title = Text("포털 화면", "portal's pages")
    age_s, silent = totals.get("bitgoeul_portal_feed_age_seconds", 0.0), totals.get("bitgoeul_portal_silent_areas", 0)
    errors = totals.get("bitgoeul_portal_errors_total", 0)
    words = Text(
        f"보는 이 {totals['bitgoeul_portal_listeners']:.0f}, 오류 {errors:.0f}, 화면 {span(age_s).ko} 전 것",
        f"{totals['bitgoeul_portal_listeners']:.0f} watching, {errors:.0f} errors, page {span(age_s).en} old",
    )
    if silent:
        todo = Text("응답하지 않는 구역을 다시 띄우십시오", "start the area that does not answer again")
        said = Text(f"응답 없는 구역 {silent:.0f}; {words.ko}", f"{silent:.0f} areas silent; {words.en}")
        return Line("portal", title, "bad", said, todo)
    todo = Text("포털의 기록을 보십시오", "read the portal's log")
    return Line("portal", title, worst(age_s, 10, 60), words, todo)


def _mirror(newest_s: float, now_s: float) -> Line:
    title = Text("보드용 사본", "boards' mirror")
    todo = Text("mirror와 InfluxDB의 기록을 보십시오", "read the logs of the mirror and of InfluxDB")
    if not newest_s:
        return Line("mirror", title, "warn", Text("아직 옮긴 구간이 없음", "no slot mirrored yet"), todo)
    age = span(now_s - newest_s)
    words = Text(f"{age.ko} 전 구간까지", f"slots until {age.en} ago")
    return Line("mirror", title, worst(now_s - newest_s, MIRRORED_WARN_S, MIRRORED_BAD_S), words, todo)


def disk_line(name: str, free: float, size: float) -> Line:
    """How full a disk is."""
    title = Text(f"디스크 ({name})", f"disk ({name})")
    share = free / size if size else 0.0
    words = Text(f"{free / 1e9:,.1f} GB 남음 ({share:.0%})", f"{free / 1e9:,.1f} GB free ({share:.0%})")
    state: State = "bad" if share < DISK_BAD else "warn" if share < DISK_WARN else "ok"
    todo = Text("디스크를 늘리거나 보관 기간을 줄이십시오", "give it more room, or keep readings for less long")
    return Line("disk", title, state, words, todo)


def area_lines(name: str, said: AreaSaid, now_s: float) -> Iterator[Line]:
    """What an area's process tells of settling, gateways and quarantine."""
    yield _settled(name, said.settle, now_s)
    yield from _lag(name, said.gateways)
    yield _gateways(name, said.gateways, now_s)
    yield _dead_meters(name, said.gateways)
    yield _quarantine(name, said.quarantine)


def _settled(name: str, row: Mapping[str, Any], now_s: float) -> Line:
    title = Text(f"정산 ({name})", f"settling ({name})")
    todo = Text("정산이 왜 멈췄는지 구역의 기록을 보십시오", "see in the area's log why settling waits")
    if row["trouble"]:
        return Line("settle", title, "bad", Text(f"멈춤: {row['trouble']}", f"waits: {row['trouble']}"), todo)
    if row["settled_s"] is None:
        return Line("settle", title, "warn", Text("아직 정산한 것이 없음", "nothing settled yet"), todo)
    age_s = now_s - row["settled_s"]
    left_ko = f", 다시 할 합계 {row['stale']}구간" if row["stale"] else ""
    left_en = f", sums of {row['stale']} slots to be made" if row["stale"] else ""
    words = Text(f"{span(age_s).ko} 전까지{left_ko}", f"until {span(age_s).en} ago{left_en}")
    state: State = "warn" if row["stale"] > 4 else worst(age_s, SETTLED_WARN_S, SETTLED_BAD_S)
    return Line("settle", title, "bad" if age_s > SETTLED_BAD_S else state, words, todo)


def _gateways(name: str, rows: Sequence[Mapping[str, Any]], now_s: float) -> Line:
    title = Text(f"게이트웨이 ({name})", f"gateways ({name})")
    # where the broker is away too, nobody says that a gateway went
    heard_s = now_s - UNHEARD_S
    known = [row for row in rows if row["online"] or row["state_time_s"] is not None]
    offline = sorted(str(row["gateway"]) for row in known if not row["online"] or (row["state_time_s"] or 0) < heard_s)
    new, online = len(rows) - len(known), len(known) - len(offline)
    new_ko, new_en = (f", 아직 한 번도 오지 않음 {new}대", f", {new} never heard yet") if new else ("", "")
    words = Text(f"{len(known)}대 가운데 {online}대 연결{new_ko}", f"{online} of {len(known)} online{new_en}")
    if not offline:
        return Line("gateways", title, "ok", words)
    named = ", ".join(offline[:NAMED]) + (" …" if len(offline) > NAMED else "")
    said = Text(f"{words.ko}, 끊김: {named}", f"{words.en}; away: {named}")
    todo = Text(
        "그 시설의 전원과 통신망을, 그다음 게이트웨이의 기록을 보십시오",
        "see to that site's power and network, then to the gateway's log",
    )
    return Line("gateways", title, "bad" if len(offline) > OFFLINE_BAD * len(known) else "warn", said, todo)


def _lag(name: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    """How late the last batches of the gateways that are there came: 95 of 100 no later."""
    delays_s = sorted(row["delay_s"] for row in rows if row["online"] and row.get("delay_s") is not None)
    if not delays_s:
        return
    lag_s = delays_s[math.ceil(0.95 * len(delays_s)) - 1]
    late = span(math.ceil(lag_s))
    words = Text(f"지연 95%: {late.ko}", f"p95 {late.en}")
    todo = Text("게이트웨이의 밀린 자료가 풀리는지 보십시오", "see whether the gateways' backlog drains")
    yield Line("lag", Text(f"지연 ({name})", f"lag ({name})"), worst(lag_s, LAG_WARN_S, LAG_BAD_S), words, todo)


def _dead_meters(name: str, rows: Sequence[Mapping[str, Any]]) -> Line:
    title = Text(f"계량기 ({name})", f"meters ({name})")
    told = [row for row in rows if row["meters"] is not None]
    meters, dead = sum(row["meters"] for row in told), sum(row["dead_meters"] or 0 for row in told)
    words = Text(f"{meters:,}대 가운데 {dead:,}대 응답 없음", f"{dead:,} of {meters:,} do not answer")
    todo = Text("'bitgoeul edge read'로 그 계량기를 읽어 보십시오", "try to read them by 'bitgoeul edge read'")
    return Line("meters", title, "ok" if not dead else "bad" if dead > DEAD_BAD * meters else "warn", words, todo)


def _quarantine(name: str, rows: Sequence[Mapping[str, Any]]) -> Line:
    title = Text(f"격리 ({name})", f"quarantine ({name})")
    held, dropped = sum(row["held"] for row in rows), sum(row["dropped"] for row in rows)
    if not held and not dropped:
        return Line("quarantine", title, "ok", Text("비어 있음", "empty"))
    lost_ko, lost_en = (
        (f", 자리가 없어 버린 것 {dropped:,}건", f", {dropped:,} lost for want of room") if dropped else ("", "")
    )
    words = Text(f"거부된 측정값 {held:,}건{lost_ko}", f"{held:,} readings refused{lost_en}")
    todo = Text(
        "'bitgoeul cloud quarantine'에서 까닭을 보고, 고친 뒤 다시 넣으십시오",
        "see why by 'bitgoeul cloud quarantine', mend it, and take them in again",
    )
    # what a gateway lost stays counted for ever: once nothing of it is held, there is nothing left to do about it
    full = any(row["held"] and row["dropped"] for row in rows)
    return Line("quarantine", title, "bad" if full else "warn" if held else "ok", words, todo)


def backup_line(ended_s: float | None, now_s: float) -> Line:
    """How old the newest backup is; None where there is none."""
    title = Text("백업", "backup")
    todo = Text("'bitgoeul backup'이 정해진 때에 도는지 보십시오", "see whether 'bitgoeul backup' runs when it should")
    if ended_s is None:
        return Line("backup", title, "bad", Text("백업이 없습니다", "there is none"), todo)
    age = span(now_s - ended_s)
    words = Text(f"마지막이 {age.ko} 전", f"the latest is {age.en} old")
    return Line("backup", title, worst(now_s - ended_s, BACKUP_WARN_S, BACKUP_BAD_S), words, todo)


def certificate_line(ends: Mapping[str, float], now_s: float) -> Line:
    """`ends`: until when each name's newest certificate holds."""
    title = Text("인증서", "certificates")
    if not ends:
        return Line("certificates", title, "ok", Text("발급된 것이 없음", "none issued"))
    soon = sorted((end_s, name) for name, end_s in ends.items() if end_s - now_s < CERTIFICATE_WARN_S)
    if not soon:
        first = span(min(ends.values()) - now_s)
        words = Text(f"{len(ends)}개, 가장 이른 만료는 {first.ko} 뒤", f"{len(ends)}, the first ends in {first.en}")
        return Line("certificates", title, "ok", words)
    named = ", ".join(name for _, name in soon[:NAMED]) + (" …" if len(soon) > NAMED else "")
    left_s = soon[0][0] - now_s
    words = (
        Text(f"만료됨: {named}", f"expired: {named}")
        if left_s <= 0
        else Text(f"{span(left_s).ko} 안에 만료: {named}", f"{span(left_s).en} left: {named}")
    )
    todo = Text("새로 발급하여 전하십시오", "issue them anew, and hand them over")
    return Line("certificates", title, "bad" if left_s < CERTIFICATE_BAD_S else "warn", words, todo)


def silent(key: str, name: Text, why: Text) -> Line:
    """A part that could not be asked."""
    runs = key in ("service", "area", "database")
    todo = (
        Text("떠 있는지, 주소가 맞는지 보십시오", "see whether it runs, and whether its address is right")
        if runs
        else Text("경로가 맞는지, 읽을 수 있는지 보십시오", "see whether its path is right, and can be read")
    )
    return Line(key, name, "bad", Text(f"볼 수 없음: {why.ko}", f"cannot be seen: {why.en}"), todo)
