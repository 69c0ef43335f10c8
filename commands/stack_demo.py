"""`bitgoeul stack demo SITE…`: simulated sites and their gateways as processes, in the demo's container."""

import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from commands import stretch
from commands.language import say
from commands.processes import check_alive, stop_all
from contract.problems import Problem
from edge.config import UplinkConfig

TICK_S = 10
SITES = ("hanam", "suwan")


def run(names: Sequence[str], data: Path, broker: str, credentials: Path) -> int:
    """Until SIGTERM. Raises Problem where a gateway has no file of credentials, and where a process ends."""
    sites = stretch.load_sites(data, names or SITES)
    files = {name: credentials / f"{name}.pem" for name in sites.gateways}
    for name, file in files.items():
        if not file.is_file():
            raise Problem(
                f"{file}: 게이트웨이 {name}의 인증서가 없습니다 (bitgoeul stack init --demo)",
                f"{file}: no credentials of gateway {name} (bitgoeul stack init --demo)",
            )
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    meters = stretch.simulation(sites, names or SITES, TICK_S)
    children = [meters]
    try:
        stretch.start_simulation(sites, meters)
        for name, file in files.items():
            gateway = stretch.gateway_by(sites, name, UplinkConfig(brokers=[broker], credentials_file=str(file)))
            gateway.start()
            children.append(gateway)
        print(say(f"게이트웨이 {len(files)}대가 돕니다", f"{len(files)} gateways run"), flush=True)
        while not ended.wait(5):
            check_alive(children)
    finally:
        stop_all(children)
    return 0
