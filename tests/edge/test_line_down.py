"""Why a line is down is said: in the log once a change, to a technician with what to do."""

import asyncio
import errno
import logging
import time
from pathlib import Path

import pytest
import serial

from edge.config import LineConfig, MeterConfig
from edge.drivers.down import explain
from edge.line import Line
from edge.models import load_model
from simulators.line import Line as SimLine
from simulators.meters import SimMeter
from simulators.rtu_bus import RtuBus

METER = MeterConfig(name="m-1", model="eastron_sdm120", unit=1)


def read(*lines: Line) -> None:
    """Read the meter of each, one after the other."""

    async def each() -> None:
        for line in lines:
            await line.read_now("m-1")
            line.close()

    asyncio.run(each())


def line_on(**where: object) -> Line:
    return Line(LineConfig(name="line-1", meter=[METER], **where), 60, time.time)  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"port": "/dev/absent"}, "no such device"),
        ({"port": "/dev/null"}, "Could not configure port: (25, 'Inappropriate ioctl for device')"),
        ({"host": "127.0.0.1", "tcp_port": 1}, "connection refused"),
        ({"host": "no-such-host.invalid"}, "unknown host"),
    ],
)
def test_what_keeps_a_line_down_is_said(where: dict[str, object], says: str, caplog: pytest.LogCaptureFixture) -> None:
    line = line_on(**where)
    read(line)
    assert line.down
    assert line.down.reason.en == says
    assert f'line-down line=line-1 reason="{says}" action=check-' in caplog.text


def test_a_port_that_another_has_is_in_use(caplog: pytest.LogCaptureFixture) -> None:
    with RtuBus(SimLine("line-1", [])) as bus, serial.Serial(bus.port, exclusive=True):
        read(line_on(port=bus.port))
    assert 'reason="in use by another program" action=stop-the-running-gateway' in caplog.text


def test_each_change_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    link = tmp_path / "tty"
    line = line_on(port=str(link))
    read(line, line, line)
    link.write_text("no terminal")
    time.sleep(1.1)  # a port that failed twice is left alone for a second
    read(line, line)
    link.unlink()
    time.sleep(2.1)
    with RtuBus(SimLine("line-1", [SimMeter("m-1", load_model("eastron_sdm120"), 1, lambda *_: 1.0)]), link=link):
        read(line, line)
    assert line.down is None
    said = [record.getMessage().split(" action=")[0] for record in caplog.records]
    assert said[0] == 'line-down line=line-1 reason="no such device"'
    assert said[1].startswith('line-down line=line-1 reason="Could not configure port')
    assert said[2:] == ["line-up line=line-1"]


def test_who_may_not_open_a_port_is_told_of_the_group() -> None:
    refused = serial.SerialException(errno.EACCES, "could not open port /dev/ttyUSB0: Permission denied")
    assert str(explain(refused)) == (
        'reason="no permission" action=put-the-user-into-the-group-dialout-and-log-in-again'
    )
    for error in (TimeoutError(), ConnectionResetError(), OSError('a "b"\nc'), OSError(errno.EHOSTUNREACH, "x")):
        assert str(explain(error)).count('"') == 2
        assert "\n" not in str(explain(error))
