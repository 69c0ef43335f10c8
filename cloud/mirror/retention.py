"""What is live goes from the boards' database after some weeks: a meter has thirteen points each ten seconds.

InfluxDB's own retention is the whole database's, and what was settled stays in it for longer.
"""

import re
from datetime import UTC, datetime

from cloud.metering.codes import DAY_S
from cloud.mirror.live import MEASUREMENTS
from cloud.mirror.writing import Boards
from contract.quantities import QUANTITIES

_WEEK_S = 7 * DAY_S
_MONDAY_S = 4 * DAY_S  # 1970-01-05, as weeks are counted by InfluxDB

# The measurements that are written every some seconds, or say what is so now.
LIVE = re.compile(
    "|".join(sorted({*QUANTITIES, *MEASUREMENTS.values()}))
    + "|(site|meter)_now|(site|meter|region)_names|(gateway|line)_state|platform_[a-z]+"
)


def begin_of_live_s(live_days: int, now_s: float) -> int:
    """From where on at least so many days are kept. InfluxDB keeps a week in a file of its own, and to take a part of
    it away would have it written anew: so whole weeks go.
    """
    return (int(now_s) - live_days * DAY_S - _MONDAY_S) // _WEEK_S * _WEEK_S + _MONDAY_S


def forget_live(boards: Boards, live_days: int, now_s: float) -> None:
    """Take from the boards' database what is live and older. Raises StoreUnavailable."""
    before = datetime.fromtimestamp(begin_of_live_s(live_days, now_s), UTC)
    boards.carry_out(f"DELETE FROM /^({LIVE.pattern})$/ WHERE time < '{before:%Y-%m-%dT%H:%M:%SZ}'")  # noqa: S608  # ours
