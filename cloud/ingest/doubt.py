"""PURE: whether it is our own clock that is wrong, and not those of the gateways.

Readings from the future are refused, and a gateway never sends again what was refused. Were the clock of this machine
an hour slow, or in 1970 after a start without a battery, the whole city would be refused for good. So nothing is judged
while more gateways say that their clock is synchronised and is ahead of ours than agree with it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from cloud.ingest.link import Arrived
from contract.senml import FUTURE_TOLERANCE_S

# 2026-01-01: before this software was written, no clock is right
FLOOR_S = 1_767_225_600
MEMORY_S = 600.0
_SENT = re.compile(rb'"sent":(\d{1,12})(?:\.\d*)?,"clock":"ntp"')
_HEAD_BYTES = 400  # the header stands in the first record


@dataclass
class Opinions:
    """What the gateways that were heard lately think of our clock: when (monotonic), and whether theirs is ahead."""

    _of: dict[str, tuple[float, bool]] = field(default_factory=dict)

    def doubt(self, arrived: Iterable[Arrived], now_s: float, monotonic_s: float) -> bool:
        """Whether the messages must wait, by what they and those before them say of when they were sent."""
        ahead, agreeing = set[str](), set[str]()
        for message in arrived:
            if said := _SENT.search(message.payload[:_HEAD_BYTES]):
                gateway = "".join(message.topic.split("/", 4)[3:4])  # a topic that is no text has come as ""
                (ahead if int(said[1]) > now_s + FUTURE_TOLERANCE_S else agreeing).add(gateway)
        # what waits from before agrees with a clock that is slow, and its gateway does not
        self._of |= dict.fromkeys(agreeing, (monotonic_s, False)) | dict.fromkeys(ahead, (monotonic_s, True))
        self._of = {gateway: one for gateway, one in self._of.items() if one[0] >= monotonic_s - MEMORY_S}
        count = sum(is_ahead for _, is_ahead in self._of.values())
        return now_s < FLOOR_S or 2 * count > len(self._of)
