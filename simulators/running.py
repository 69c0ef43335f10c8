"""A simulated site that runs: its lines in this process, their logs and ports in one folder.

    with run_site(load_sim_site("hanam"), folder) as running:
        running.endpoints["hanam-switchroom"].port
        switch(running, Fault(kind="dead", target="hanam-e-sub-03"))

The folder holds `served/{line}.jsonl` (simulators.served), `events.jsonl` (each fault as it was switched, see
simulators.control), `lines/{line}` (a symlink to each pseudo-terminal), `endpoints.json` (once all lines are
there), `clock.json` (when simulated time began to run faster) and `clock/{gateway}` (how far a gateway's clock is
put wrong).
"""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from contract.problems import Problem
from simulators.clock import SimClock
from simulators.gateway_files import Endpoint
from simulators.line import Line
from simulators.meters import SimMeter
from simulators.mounting import mount
from simulators.rtu_bus import RtuBus, Wire
from simulators.served import ServedLog
from simulators.site import LineSpec, SimSite
from simulators.tcp_server import TcpServer


@dataclass(frozen=True)
class RunOptions:
    """`speed`: simulated seconds a second. `real_wire`: bytes take their time at each line's baud rate."""

    speed: float = 1.0
    real_wire: bool = False


@dataclass
class RunningSite:
    """What `run_site` gives. The objects in `lines`, `buses` and `servers` may be used directly, from any thread."""

    site: SimSite
    folder: Path
    clock: SimClock
    lines: dict[str, Line] = field(default_factory=dict)
    buses: dict[str, RtuBus] = field(default_factory=dict)
    servers: dict[str, TcpServer] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)

    @property
    def meters(self) -> dict[str, SimMeter]:
        """All meters by name."""
        return {name: meter for line in self.lines.values() for name, meter in line.meters.items()}

    def clock_file(self, gateway: str) -> Path:
        """What a gateway process is given as BITGOEUL_CLOCK_OFFSET_FILE: seconds to add to its clock, or absent."""
        return self.folder / "clock" / gateway


@contextlib.contextmanager
def run_site(site: SimSite, folder: Path, options: RunOptions | None = None) -> Iterator[RunningSite]:
    """Start all lines of a site, and stop them at the end. `folder` is made if need be. Raises Problem."""
    options = options or RunOptions()
    for name in ("served", "lines", "clock"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "endpoints.json").unlink(missing_ok=True)  # of a run that was killed
    running = RunningSite(site, folder, _clock(folder / "clock.json", options.speed))
    meters = mount(site)
    for meter in (meter for group in meters.values() for meter in group):
        # a load's first total takes milliseconds, later ones microseconds: none is to be late for that
        meter.source(meter.quantities[0], running.clock.now())
    with contextlib.ExitStack() as stack:
        for gateway in site.gateway:
            for spec in gateway.line:
                log = ServedLog(folder / "served" / f"{spec.name}.jsonl", spec.name)
                stack.callback(log.close)
                line = Line(spec.name, meters[spec.name], log, running.clock, holes_readable=spec.holes_readable)
                running.lines[spec.name] = line
                running.endpoints[spec.name] = _start(running, spec, stack, real_wire=options.real_wire)
        ready = folder / "endpoints.json"
        stack.callback(ready.unlink, missing_ok=True)
        ready.with_suffix(".new").write_bytes(msgspec.json.encode(running.endpoints))
        ready.with_suffix(".new").replace(ready)
        yield running


def read_endpoints(folder: Path) -> dict[str, Endpoint] | None:
    """Where the lines are that another process runs in `folder`; None while it does not (yet)."""
    try:
        return msgspec.json.decode((folder / "endpoints.json").read_bytes(), type=dict[str, Endpoint])
    except FileNotFoundError:
        return None


def _start(running: RunningSite, spec: LineSpec, stack: contextlib.ExitStack, *, real_wire: bool) -> Endpoint:
    line = running.lines[spec.name]
    if spec.carrier == "rtu":
        bits = 9 + spec.stop_bits + (spec.parity != "N")
        wire = Wire(spec.baud, bits, spec.turnaround_ms / 1000) if real_wire else Wire()
        bus = stack.enter_context(RtuBus(line, wire, running.folder / "lines" / spec.name))
        running.buses[spec.name] = bus
        return Endpoint(port=str(running.folder.absolute() / "lines" / spec.name))
    server = TcpServer(
        line,
        "tcp" if spec.carrier == "tcp" else "rtu",
        turnaround_s=spec.turnaround_ms / 1000 if real_wire else 0.0,
        answers_for_silent=spec.answers_for_silent,
        gateway_timeout_s=spec.timeout_s / 2,
    )
    running.servers[spec.name] = stack.enter_context(server)
    return Endpoint(host=server.host, tcp_port=server.port)


def _clock(path: Path, speed: float) -> SimClock:
    """Simulated time goes on where an earlier run in the same folder was, so that no register runs backwards."""
    if not 0 < speed <= 100_000:
        raise Problem(f"속도 {speed:g}: 0 초과 100000 이하", f"speed {speed:g}: expected above 0, at most 100000")
    now_s = time.time()
    earlier = _Anchor(now_s, now_s, 1.0)
    if path.exists():
        try:
            earlier = msgspec.json.decode(path.read_bytes(), type=_Anchor)
        except msgspec.DecodeError as error:
            raise Problem(
                f"{path}: 읽을 수 없습니다. 지우고 다시 시작하십시오: {error}",
                f"{path}: {error}; delete it to start anew",
            ) from error
    clock = SimClock(speed, now_s, earlier.clock().at(now_s))
    path.write_text(json.dumps({"wall_s": now_s, "simulated_s": clock.simulated_s, "speed": speed}), "utf-8")
    return clock


class _Anchor(msgspec.Struct, frozen=True):
    wall_s: float
    simulated_s: float
    speed: float

    def clock(self) -> SimClock:
        return SimClock(self.speed, self.wall_s, self.simulated_s)
