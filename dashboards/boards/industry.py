"""Industrial complexes."""

from dashboards.boards.common import Desk
from dashboards.boards.kinds import kind_board
from dashboards.grafana import Board


def board(desk: Desk) -> Board:
    """All of them, and each."""
    return kind_board(desk, "industry", "industrial-complex")
