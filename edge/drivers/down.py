"""PURE: why a line is down, and what to do about it."""

import errno
import socket
from typing import NamedTuple

from contract.problems import Text


class Down(NamedTuple):
    """For people; `str()` is `reason=… action=…`, for the log."""

    reason: Text
    action: Text

    def __str__(self) -> str:
        """In one line."""
        return f'reason="{self.reason.en}" action={self.action.en.replace(" ", "-")}'


_MISSING = Down(
    Text("장치가 없습니다", "no such device"),
    Text(
        "어댑터가 꽂혀 있는지와 port 설정을 확인하십시오", "check that the adapter is plugged in and the setting port"
    ),
)
_FORBIDDEN = Down(
    Text("권한이 없습니다", "no permission"),
    Text("사용자를 dialout 그룹에 넣고 다시 로그인하십시오", "put the user into the group dialout and log in again"),
)
_IN_USE = Down(
    Text("다른 프로그램이 쓰고 있습니다", "in use by another program"),
    Text("실행 중인 게이트웨이나 다른 프로그램을 멈추십시오", "stop the running gateway or whatever else has it"),
)
_REFUSED = Down(
    Text("연결이 거부되었습니다", "connection refused"),
    Text(
        "tcp_port와 기기의 Modbus TCP 설정을 확인하십시오",
        "check tcp_port and that Modbus TCP is enabled in the device",
    ),
)
_UNREACHABLE = Down(
    Text("네트워크로 닿을 수 없습니다", "network or host unreachable"),
    Text("케이블과 양쪽의 IP 주소를 확인하십시오", "check the cable and the IP addresses of both sides"),
)
_UNKNOWN_HOST = Down(
    Text("호스트 이름을 찾을 수 없습니다", "unknown host"),
    Text("host 설정과 DNS를 확인하거나 IP 주소를 쓰십시오", "check the setting host and DNS or use an IP address"),
)
_NO_CONNECTION = Down(
    Text("연결 요청에 응답이 없습니다", "no answer to the connection"),
    Text("주소와 케이블, 전원, 방화벽을 확인하십시오", "check address and cable and power and firewalls"),
)
_LOST = Down(
    Text("연결이 끊어졌습니다", "the connection was lost"),
    Text(
        "어댑터나 케이블과 기기의 접속 수 제한을 확인하십시오",
        "check adapter or cable and how many clients the device allows",
    ),
)
_BY_ERRNO = {
    errno.ENOENT: _MISSING,
    errno.ENODEV: _MISSING,
    errno.ENXIO: _MISSING,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EBUSY: _IN_USE,
    errno.EAGAIN: _IN_USE,
    errno.ECONNREFUSED: _REFUSED,
    errno.EHOSTUNREACH: _UNREACHABLE,
    errno.ENETUNREACH: _UNREACHABLE,
    errno.ETIMEDOUT: _NO_CONNECTION,
    errno.ECONNRESET: _LOST,
    errno.EPIPE: _LOST,
    errno.EIO: _LOST,
}


def explain(error: OSError) -> Down:
    """What an operator makes of the error that opening or using a port ended in."""
    if isinstance(error, socket.gaierror):  # its numbers are not errno's
        return _UNKNOWN_HOST
    if error.errno in _BY_ERRNO:
        return _BY_ERRNO[error.errno]
    if isinstance(error, ConnectionResetError):
        return _LOST
    if isinstance(error, TimeoutError):
        return _NO_CONNECTION
    said = " ".join(str(error).split()).replace('"', "'") or type(error).__name__
    return Down(
        Text(said, said),
        Text("line 설정과 장치를 확인하십시오", "check the settings of the line and the device"),
    )
