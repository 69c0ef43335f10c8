"""The question to an area's process: a table by its name, over Arrow Flight on a Unix socket."""

from pathlib import Path

import pyarrow as pa
from pyarrow import flight

from cloud.portal.live.feed import Unanswered

TIMEOUT_S = 2.0


def ask(socket: Path, table: str) -> pa.Table:
    """Blocks for at most TIMEOUT_S. A new connection each time: an old one would wait long after a restart."""
    try:
        with flight.connect(f"grpc+unix://{socket}") as client:
            options = flight.FlightCallOptions(timeout=TIMEOUT_S)
            return client.do_get(flight.Ticket(table.encode()), options).read_all()
    except (flight.FlightError, pa.ArrowException, OSError) as error:
        raise Unanswered(str(error).partition("\n")[0]) from error
