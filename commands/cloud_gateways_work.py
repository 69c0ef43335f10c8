"""What `bitgoeul cloud gateways` does, once it has its passphrase."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cloud.ingest.link import parse_broker
from cloud.pki import issuing, ledger
from cloud.pki.acl import is_reserved
from cloud.pki.authority import Authority, open_authority
from cloud.pki.ending import MINUTES, Address, end_session
from cloud.pki.files import exists
from cloud.pki.publishing import publish
from commands.language import language, say
from commands.table import render
from contract.problems import Problem, Text, UsageProblem
from contract.topics import check_name

DAY_S = 86_400

State = Literal["valid", "expires-soon", "expired", "revoked"]
WORDS: dict[State, Text] = {
    "valid": Text("유효", "valid"),
    "expires-soon": Text("곧 만료", "expires soon"),
    "expired": Text("만료", "expired"),
    "revoked": Text("폐기", "revoked"),
}


@dataclass(frozen=True)
class Wanted:
    """What `add` was asked for; `days` None is the usual."""

    names: Sequence[str]
    area: str
    days: int | None
    renew: bool
    to: Path


def add(pki: Path, passphrase: str, wanted: Wanted) -> int:
    """One file for each gateway: nothing is issued where one of them cannot have it."""
    authority = open_authority(pki, passphrase)
    if wanted.area:
        check_name("area", wanted.area)
    entries = ledger.read_ledger(pki)
    for name in wanted.names:
        _check_new(name, entries, renew=wanted.renew)
    if len(set(wanted.names)) < len(wanted.names):
        raise UsageProblem("같은 이름이 두 번 있습니다", "a name is given twice")
    for name in wanted.names:
        issued = issuing.issue_client(
            authority, name, wanted.days or issuing.CLIENT_DAYS, kind="gateway", area=wanted.area
        )
        path = wanted.to / f"{name}.pem"
        issuing.write_credentials(issued, path)
        # at once, so that a name that was shut out is let in even where a later one fails
        publish(pki)
        print(say(f"{path}: {_day(issued.to_s)}까지", f"{path}: until {_day(issued.to_s)}"))
    print(
        say(
            "게이트웨이로 옮겨 site 파일의 [uplink] credentials_file에 적고, 여기 있는 것은 지우십시오.",
            "Carry it to the gateway, name it as credentials_file in the site file's [uplink], and delete it here.",
        )
    )
    return 0


def _check_new(name: str, entries: list[ledger.Entry], *, renew: bool) -> None:
    check_name("gateway", name)
    if is_reserved(name):
        raise Problem(
            f"gateway '{name}': 클라우드의 프로세스가 쓰는 이름입니다. 다른 이름을 쓰십시오",
            f"gateway '{name}': the name of a process of the cloud; expected another",
        )
    held = ledger.holding(entries, int(time.time())).get(name)
    if held and not renew:
        until = _day(held[-1].to_s)
        raise Problem(
            f"gateway '{name}': {until}까지 유효한 인증서가 있습니다. "
            "갱신하려면 --renew, 잃어버렸다면 먼저 revoke 하십시오",
            f"gateway '{name}': has a certificate until {until}; --renew issues another, revoke first what was lost",
        )


def revoke(pki: Path, passphrase: str, name: str, reason: str, broker: str) -> int:
    """Take back, then end the live connection. 1 where the latter failed: it may be repeated."""
    authority = open_authority(pki, passphrase)
    address = parse_broker(broker)
    if not address.tls:
        raise UsageProblem(
            f"--broker {broker}: mqtts://호스트[:포트] 형식이어야 합니다",
            f"--broker {broker}: expected mqtts://HOST[:PORT]",
        )
    if not any(entry.name == name and entry.kind == "gateway" for entry in ledger.read_ledger(pki)):
        raise Problem(
            f"gateway '{name}': 발급한 인증서가 없습니다 (bitgoeul cloud gateways list)",
            f"gateway '{name}': no certificate was issued to it (bitgoeul cloud gateways list)",
        )
    # taken back with the others: the broker knows of the new list once it refuses this one
    probe = issuing.issue_takeover(authority, name, MINUTES)
    count = sum(entry.kind == "gateway" for entry in issuing.revoke(authority, name, reason))
    publish(pki)
    if count:
        print(say(f"{name}: 인증서 {count}개를 폐기했습니다", f"{name}: certificates taken back: {count}"))
    else:
        print(say(f"{name}: 이미 폐기되어 있습니다", f"{name}: was taken back before"))
    return _end(authority, probe, Address(address.host, address.port))


def _end(authority: Authority, probe: issuing.Issued, broker: Address) -> int:
    try:
        cleared = end_session(authority, probe, broker)
    except Problem as problem:
        raise Problem(
            f"{problem.text.ko}. 폐기는 되었으나 지금 열린 연결은 남아 있을 수 있습니다. "
            "브로커가 돌아오면 같은 명령을 다시 실행하십시오",
            f"{problem.text.en}. It is taken back, but a connection that is open now may stay; "
            "run this again once the broker is there",
        ) from problem
    print(
        say(
            f"{probe.name}: 브로커가 더는 받지 않습니다. 열린 연결을 끊고 남긴 메시지 {cleared}개를 지웠습니다",
            f"{probe.name}: the broker lets it in no more, its connection was ended, messages cleared: {cleared}",
        )
    )
    return 0


def show(pki: Path, *, everything: bool, as_json: bool) -> int:
    """Each gateway with how it stands, or everybody who was issued something; 0."""
    if not exists(pki):
        raise Problem(
            f"{pki}: 인증기관의 폴더가 없습니다 (bitgoeul stack init이 만듭니다)",
            f"{pki}: no such folder of an authority (bitgoeul stack init makes one)",
        )
    now_s = int(time.time())
    kinds: tuple[ledger.Kind, ...] = ("gateway", "process", "server") if everything else ("gateway",)
    standings = ledger.standings(ledger.read_ledger(pki), kinds, now_s)
    if as_json:
        print(json.dumps([_facts(standing, now_s) for standing in standings], ensure_ascii=False, indent=1))
        return 0
    if not standings:
        print(say("발급한 인증서가 없습니다", "no certificate was issued yet"))
        return 0
    head = say("이름,구역,유효 기한,상태,까닭", "NAME,AREA,VALID UNTIL,STATE,REASON").split(",")
    rows = [head]
    for standing in standings:
        entry = standing.entry
        word = WORDS[_state(standing, now_s)].of(language())
        when = f" {_day(entry.revoked_s)}" if entry.revoked_s is not None and not standing.holding else ""
        rows.append([entry.name, entry.area or "-", _day(entry.to_s), word + when, entry.reason or "-"])
    print("\n".join(render(rows, indent="")))
    return 0


def _facts(standing: ledger.Standing, now_s: int) -> dict[str, str | int | None]:
    entry = standing.entry
    return {
        "name": entry.name,
        "kind": entry.kind,
        "area": entry.area or None,
        "serial": entry.serial,
        "state": _state(standing, now_s),
        "valid_from": _instant(entry.from_s),
        "valid_until": _instant(entry.to_s),
        "days_left": max(0, (entry.to_s - now_s) // DAY_S),
        "revoked_at": None if entry.revoked_s is None else _instant(entry.revoked_s),
        "reason": entry.reason or None,
        "certificates_holding": len(standing.holding),
    }


def _state(standing: ledger.Standing, now_s: int) -> State:
    entry = standing.entry
    if not standing.holding:
        return "revoked" if entry.revoked_s is not None else "expired"
    return "expires-soon" if entry.to_s - now_s <= issuing.SOON_DAYS * DAY_S else "valid"


def _day(time_s: int) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(time_s))


def _instant(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat().replace("+00:00", "Z")
