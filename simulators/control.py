"""Faults of a running site, switched by call or through a socket in its folder.

| kind          | target  | `value`                                              |
|---------------|---------|------------------------------------------------------|
| dead          | meter   |                                                      |
| slow          | meter   | seconds that each answer comes late (2)              |
| garbled       | meter   | share of answers that are damaged (1)                |
| exception     | meter   | the Modbus exception that answers every request (4)  |
| stuck         | meter   |                                                      |
| not-available | meter   | (`quantity`: which; all that can be, if empty)       |
| rollover      | meter   | what its register still counts up before 0           |
| swapped       | meter   |                                                      |
| cut           | line    |                                                      |
| refused       | line    | (TCP only)                                           |
| clock-step    | gateway | seconds that its clock is put forward                |

dead, slow, garbled and exception befall the device: all channels of its unit. rollover and swapped happen once,
and are not taken back. The socket, `control` in the folder, takes one Fault a line as JSON, and answers each
with a line: {} or {"ko": …, "en": …}, what was wrong.
"""

import contextlib
import math
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeVar, get_args

import msgspec

from contract.problems import Problem
from contract.quantities import QUANTITIES
from simulators.faults import DeviceFaults
from simulators.meters import SimMeter, register_capacity
from simulators.running import RunningSite

FaultKind = Literal[
    "dead",
    "slow",
    "garbled",
    "exception",
    "stuck",
    "not-available",
    "rollover",
    "swapped",
    "cut",
    "refused",
    "clock-step",
]
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
# By kind, the least and the most that `value` may be.
_VALUES = {"slow": (0.0, 3600.0), "garbled": (0.0, 1.0), "exception": (1.0, 255.0), "rollover": (0.0, 1e12)}
_T = TypeVar("_T")
_SOCKET_PATH_BYTES = 107  # Linux' limit


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One switch, to `on` or off. `value` None is the kind's usual one."""

    kind: FaultKind
    target: str
    on: bool = True
    value: float | None = None
    quantity: str = ""


class _Event(msgspec.Struct, frozen=True):
    at_ns: int
    fault: Fault


class _Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    ko: str = ""
    en: str = ""


def switch(running: RunningSite, fault: Fault) -> None:
    """Switch a fault of a running site, and write that down. Raises Problem."""
    if fault.kind == "clock-step":
        _step_clock(running, fault)
    elif fault.kind == "cut":
        _target("line", running.lines, fault.target).cut = fault.on
    elif fault.kind == "refused":
        _target("TCP line", running.servers, fault.target).refuse(refused=fault.on)
    else:
        meter = _target("meter", running.meters, fault.target)
        _check_value(fault)
        _check_quantity(meter, fault)
        _switch_device(meter.device, fault)
        _switch_values(meter, fault, running.clock.now())
    with (running.folder / "events.jsonl").open("ab") as file:
        file.write(msgspec.json.encode(_Event(time.time_ns(), fault)) + b"\n")


def _target(what: str, known: Mapping[str, _T], name: str) -> _T:
    if name not in known:
        names = ", ".join(known)
        raise Problem(f"{what} '{name}': 없습니다. 있는 것: {names}", f"{what} '{name}': expected one of {names}")
    return known[name]


def _check_value(fault: Fault) -> None:
    low, high = _VALUES.get(fault.kind, (-math.inf, math.inf))
    if fault.value is not None and not low <= fault.value <= high:
        raise Problem(
            f"{fault.kind} {fault.value:g}: {low:g} 이상 {high:g} 이하여야 합니다",
            f"{fault.kind} {fault.value:g}: expected {low:g} to {high:g}",
        )


def _check_quantity(meter: SimMeter, fault: Fault) -> None:
    if fault.quantity and fault.quantity not in meter.quantities:
        names = ", ".join(meter.quantities)
        raise Problem(
            f"계량기 '{meter.name}', {fault.quantity}: 없는 항목입니다. 있는 것: {names}",
            f"meter '{meter.name}', {fault.quantity}: no such quantity; expected one of {names}",
        )


def _switch_device(device: DeviceFaults, fault: Fault) -> None:
    match fault.kind:
        case "dead":
            device.dead = fault.on
        case "slow":
            device.slow_s = _value(fault, 2.0)
        case "garbled":
            device.garble_ratio = _value(fault, 1.0)
        case "exception":
            device.exception = int(_value(fault, 4))


def _switch_values(meter: SimMeter, fault: Fault, now_s: float) -> None:
    match fault.kind:
        case "stuck":
            meter.faults.stuck_at_s = now_s if fault.on else None
        case "not-available":
            meter.faults.not_available = _without_value(meter, fault) if fault.on else frozenset()
        case "rollover" if fault.on:
            _roll_over(meter, fault, now_s)
        case "swapped" if fault.on:
            meter.swap(now_s)


def _without_value(meter: SimMeter, fault: Fault) -> frozenset[str]:
    """The quantities that the fault befalls: only a register with a sentinel can say that it has no value."""
    sunspec = meter.model.protocol == "sunspec"
    able = meter.quantities if sunspec else [one.quantity for one in meter.model.register if one.not_available]
    chosen = [quantity for quantity in able if fault.quantity in ("", quantity)]
    if not chosen:
        what, names = fault.quantity or meter.model.model, ", ".join(able) or "-"
        raise Problem(
            f"계량기 '{meter.name}', {what}: 값이 없다고 답할 수 없습니다. 그럴 수 있는 항목: {names}",
            f"meter '{meter.name}', {what}: has no way to say that it has no value; expected one of {names}",
        )
    return frozenset(chosen)


def _roll_over(meter: SimMeter, fault: Fault, now_s: float) -> None:
    register = next((one for one in meter.model.register if QUANTITIES[one.quantity].kind == "register"), None)
    if register is None:
        raise Problem(
            f"계량기 '{meter.name}': 이 모델의 레지스터는 한 바퀴 돌릴 수 없습니다",
            f"meter '{meter.name}': its model has no register that can roll over",
        )
    meter.roll_over(register.quantity, register_capacity(register), _value(fault, 10 * register.scale), now_s)


def _value(fault: Fault, usual: float) -> float:
    """0 where the fault is switched off."""
    if not fault.on:
        return 0.0
    return usual if fault.value is None else max(fault.value, 0.0)


def _step_clock(running: RunningSite, fault: Fault) -> None:
    gateways = {gateway.name: running.clock_file(gateway.name) for gateway in running.site.gateway}
    path = _target("gateway", gateways, fault.target)
    if not fault.on:
        path.unlink(missing_ok=True)
        return
    if fault.value is None or not math.isfinite(fault.value):
        raise Problem("clock-step: 초를 --value로 주십시오", "clock-step: expected seconds as --value")
    # a gateway that reads while this is written must find the old offset or the new one
    fresh = path.with_suffix(".new")
    fresh.write_text(f"{fault.value!r}\n", "ascii")
    fresh.replace(path)


@contextlib.contextmanager
def control_socket(sites: Mapping[str, RunningSite], folder: Path) -> Iterator[Path]:
    """Take faults for these sites at a Unix socket in `folder`, for as long as the context lasts."""
    path = folder / "control"
    if len(os.fsencode(path.absolute())) > _SOCKET_PATH_BYTES:
        raise Problem(f"{path}: 소켓 경로가 너무 깁니다", f"{path}: too long for a socket; expected a shorter path")
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path.absolute()))
        path.chmod(0o600)
        listener.listen()
        thread = threading.Thread(target=_serve, args=(listener, sites), name="control", daemon=True)
        thread.start()
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listener: socket.socket, sites: Mapping[str, RunningSite]) -> None:
    with contextlib.suppress(OSError):  # the listener was shut down: that ends this thread
        while True:
            client, _ = listener.accept()
            with client, client.makefile("rwb", buffering=0) as stream:
                client.settimeout(1.0)
                with contextlib.suppress(OSError):  # a client that hangs or goes away
                    stream.write(msgspec.json.encode(_obey(sites, stream.readline())) + b"\n")


def _obey(sites: Mapping[str, RunningSite], line: bytes) -> _Reply:
    try:
        fault = msgspec.json.decode(line, type=Fault)
        owners = [running for running in sites.values() if fault.target in _targets(running)]
        if not owners:
            raise Problem(
                f"'{fault.target}': 이 모의 시설에 없습니다", f"'{fault.target}': not part of this simulation"
            )
        switch(owners[0], fault)
    except msgspec.DecodeError as error:
        return _Reply(f"알 수 없는 요청입니다: {error}", f"not a fault: {error}")
    except Problem as problem:
        return _Reply(problem.text.ko, problem.text.en)
    return _Reply()


def _targets(running: RunningSite) -> set[str]:
    return {*running.meters, *running.lines, *(gateway.name for gateway in running.site.gateway)}


def send(folder: Path, fault: Fault) -> None:
    """Switch a fault of the simulation that runs in `folder`. Raises Problem."""
    try:
        with socket.socket(socket.AF_UNIX) as client, client.makefile("rwb", buffering=0) as stream:
            client.settimeout(5.0)
            client.connect(str((folder / "control").absolute()))
            stream.write(msgspec.json.encode(fault) + b"\n")
            reply = msgspec.json.decode(stream.readline(), type=_Reply)
    except (OSError, msgspec.DecodeError) as error:
        raise Problem(
            f"{folder}: 여기에서 돌고 있는 모의 시설이 없습니다", f"{folder}: no simulation is running in this folder"
        ) from error
    if reply.en:
        raise Problem(reply.ko, reply.en)
