"""The demo's embedded broker, a process of its own: amqtt with a password for each name and rights by name."""

import asyncio
import json
import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from amqtt.broker import Broker

from contract.topics import ROOT

# amqtt keeps no session for anonymous clients, so everybody has a password here too
INGEST = "ingest"
MIRROR = "mirror"  # reads what the broker says of itself
SAYS_S = 10  # as Mosquitto does


def rights(gateways: list[str], area: str) -> dict[str, Any]:
    """The topic rules of amqtt: a gateway writes under its own name and reads its receipts; ingest the other way.

    The mirror reads what the broker says of itself.
    """
    own = f"{ROOT}/{area}"
    leaves = ("readings/#", "readings", "birth", "state")
    publish = {gateway: [f"{own}/{gateway}/{leaf}" for leaf in leaves] for gateway in gateways}
    subscribe = {gateway: [f"{own}/{gateway}/receipts"] for gateway in gateways}
    publish[INGEST] = [f"{own}/+/receipts"]
    subscribe[INGEST] = [f"{own}/+/{leaf}" for leaf in ("readings/+", "readings", "birth", "state")]
    subscribe[MIRROR] = ["$SYS/#"]
    return {"publish_acl": publish, "acl": subscribe}  # amqtt 0.12 takes the subscriptions under "acl" only


class _Subscriptions(dict[str, Any]):
    """By filter. amqtt goes through them while other clients subscribe: the message that it was about to hand on was
    lost then, and its gateway waited for the time-out (amqtt 0.12).
    """

    def __iter__(self) -> Iterator[str]:
        return iter(list(self.keys()))

    def items(self) -> Any:
        """All, as they are now."""
        return list(super().items())


async def serve(settings: dict[str, Any]) -> None:
    """Run until SIGTERM. `settings` has port, gateways, area and password_file (user:argon2 hash lines)."""
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{settings['port']}"}},
            "plugins": {
                "amqtt.plugins.authentication.FileAuthPlugin": {"password_file": settings["password_file"]},
                "amqtt.plugins.topic_checking.TopicAccessControlListPlugin": rights(
                    settings["gateways"], settings["area"]
                ),
                "amqtt.plugins.sys.broker.BrokerSysPlugin": {"sys_interval": SAYS_S},
            },
        }
    )
    broker._subscriptions = _Subscriptions()
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    await broker.start()
    await over.wait()
    await broker.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    # amqtt logs each client that goes away as a warning
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text("utf-8"))))
