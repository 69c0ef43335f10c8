"""Asks services, areas, databases and folders, all at once, and waits for none of them longer than its patience."""

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pyarrow as pa
import urllib3

from cloud.mirror.scraping import ask
from cloud.pki.authority import CERTIFICATE, read_certificate
from cloud.pki.ledger import read_ledger
from cloud.registry import snapshot
from cloud.store.flight import fetch_table
from cloud.store.parquet import read_manifest
from cloud.store.protocol import StoreUnavailable
from commands import backup_folder
from commands import status_rules as rules
from commands.status_rules import AreaSaid, Line
from contract.problems import Problem, Text

PATIENCE_S = 4.0
SNAPSHOT = "snapshot"  # in a registry's folder

Asking = Callable[[], Iterable[Line]]


def gather(asks: Mapping[tuple[str, str], Asking], patience_s: float = PATIENCE_S) -> list[Line]:
    """The lines of each, in this order; `asks` are by the key and name of the part."""
    found: dict[tuple[str, str], list[Line]] = {}
    threads = []
    for part, one in asks.items():
        # a thread that hangs must not keep the command from ending
        threads.append(threading.Thread(target=_note, args=(found, part, one), daemon=True))
        threads[-1].start()
    deadline = time.monotonic() + patience_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = Text(f"{patience_s:.0f}초 안에 응답 없음", f"no answer within {patience_s:.0f} s")
    return [line for part in asks for line in found.get(part) or [_silent(*part, late)]]


def _note(found: dict[tuple[str, str], list[Line]], part: tuple[str, str], one: Asking) -> None:
    try:
        found[part] = list(one())
    except Problem as problem:
        found[part] = [_silent(*part, problem.text)]
    except StoreUnavailable:  # it would tell all that gRPC has tried
        found[part] = [_silent(*part, Text("프로세스가 응답하지 않음", "its process does not answer"))]
    except (OSError, pa.ArrowException) as error:
        line = str(error).partition("\n")[0]
        found[part] = [_silent(*part, Text(line, line))]


def _silent(key: str, name: str, why: Text) -> Line:
    known = KEYS[key]
    return rules.silent(key, Text(f"{known.ko} {name}".strip(), f"{known.en} {name}".strip()), why)


KEYS = {
    "area": Text("구역", "area"),
    "service": Text("서비스", "service"),
    "totals": Text("합계", "totals"),
    "registry": Text("등록부", "registry"),
    "database": Text("데이터베이스", "database"),
    "disk": Text("디스크", "disk"),
    "backup": Text("백업", "backup"),
    "certificates": Text("인증서", "certificates"),
}


def service(name: str, url: str) -> Iterator[Line]:
    """A service by its /healthz and /metrics."""
    now_s = time.time()
    answer = ask(urllib3.PoolManager(), url, now_s)
    yield rules.service_line(name, answer, now_s)
    yield from rules.figure_lines(name, answer.samples, now_s)


def area(name: str, socket: str) -> Iterator[Line]:
    """An area's process by its socket."""
    fetch = partial(fetch_table, Path(socket), timeout_s=PATIENCE_S)
    said = AreaSaid(
        settle=fetch("settle").to_pylist()[0],
        gateways=fetch("gateways").to_pylist(),
        quarantine=fetch("quarantine-counts").to_pylist(),
    )
    return rules.area_lines(name, said, time.time())


def totals(name: str, folder: str) -> Iterator[Line]:
    """Whether the totals can be read, and of which day the newest are."""
    manifest = read_manifest(Path(folder))
    title = Text(f"합계 ({name})", f"totals ({name})")
    if not manifest.slots:
        todo = Text("정산이 시작되었는지 보십시오", "see whether settling has begun")
        yield Line("totals", title, "warn", Text("아직 없음", "there are none yet"), todo)
        return
    newest = max(manifest.slots)
    yield Line(
        "totals",
        title,
        "ok",
        Text(f"{len(manifest.slots)}일, 마지막 {newest}", f"{len(manifest.slots)} days, the last {newest}"),
    )


def registry(_name: str, folder: str) -> Iterator[Line]:
    """Whether a snapshot is published."""
    inside = Path(folder) / SNAPSHOT
    version = snapshot.version(inside if inside.is_dir() else Path(folder))
    title = KEYS["registry"]
    if not version:
        todo = Text("'bitgoeul cloud registry publish'를 하십시오", "run 'bitgoeul cloud registry publish'")
        yield Line("registry", title, "bad", Text("사본이 없습니다", "no snapshot is published"), todo)
        return
    yield Line("registry", title, "ok", Text(f"사본 {version[:12]}", f"snapshot {version[:12]}"))


def database(url: str, password_file: Path | None) -> Iterator[Line]:
    """Whether the registry's database is there, and of this program's version."""
    from cloud.registry.connecting import name_of  # noqa: PLC0415  # the database is loaded only by who uses it
    from cloud.registry.database import open_database  # noqa: PLC0415

    open_database(url, password_file).dispose()
    name = Path(name_of(url)).name if url.startswith("sqlite") else name_of(url)
    yield Line("database", KEYS["database"], "ok", Text(f"{name}: 쓸 수 있음", f"{name}: can be used"))


def disk(name: str, folder: str) -> Iterator[Line]:
    """A folder's file system."""
    usage = shutil.disk_usage(folder)
    yield rules.disk_line(name, usage.free, usage.total)


def backup(_name: str, folder: str) -> Iterator[Line]:
    """The newest backup in a folder of them."""
    found = backup_folder.backups(Path(folder))
    ended_s = backup_folder.read_manifest(found[-1]).ended_s if found else None
    yield rules.backup_line(ended_s, time.time())


def certificates(_name: str, folder: str) -> Iterator[Line]:
    """The authority's own, and of each name what holds longest."""
    ends = {CERTIFICATE: read_certificate(Path(folder) / CERTIFICATE).not_valid_after_utc.timestamp()}
    for entry in read_ledger(Path(folder)):
        if entry.revoked_s is None and entry.kind != "takeover":
            ends[entry.name] = max(float(entry.to_s), ends.get(entry.name, 0.0))
    yield rules.certificate_line(ends, time.time())


LOOKS: Mapping[str, Callable[[str, str], Iterable[Line]]] = {
    "service": service,
    "area": area,
    "totals": totals,
    "disk": disk,
    "registry": registry,
    "backup": backup,
    "certificates": certificates,
}
