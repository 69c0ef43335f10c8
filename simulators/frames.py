"""PURE: Modbus frames, written for the simulators alone, so that they check the gateway's library.

An RTU frame is unit, PDU and CRC-16, low byte first; a TCP frame is transaction, protocol 0, length and unit
(the MBAP header, big-endian) and PDU. A PDU starts with its function code.
"""

import struct
from typing import Final, NamedTuple

READ_HOLDING: Final = 3
READ_INPUT: Final = 4
MAX_READ_WORDS: Final = 125

ILLEGAL_FUNCTION: Final = 1
ILLEGAL_ADDRESS: Final = 2
ILLEGAL_VALUE: Final = 3
TARGET_SILENT: Final = 0x0B  # a TCP gateway says so for a unit that does not answer on the line behind it

MBAP_BYTES: Final = 7
MAX_ADU_BYTES: Final = 260


class Mbap(NamedTuple):
    """`length` counts the unit's byte and the PDU."""

    transaction: int
    protocol: int
    length: int
    unit: int


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_CRC = _crc_table()


def crc16(data: bytes) -> bytes:
    """The two check bytes of an RTU frame, as they go over the wire."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def to_rtu(unit: int, pdu: bytes) -> bytes:
    """The RTU frame of a PDU."""
    body = bytes([unit]) + pdu
    return body + crc16(body)


def from_rtu(frame: bytes) -> tuple[int, bytes] | None:
    """(unit, PDU) of a whole RTU frame, or None if length or check sum is wrong."""
    if not 4 <= len(frame) <= MAX_ADU_BYTES or crc16(frame[:-2]) != frame[-2:]:
        return None
    return frame[0], frame[1:-2]


def rtu_request_bytes(start: bytes) -> int:
    """How long the RTU request that starts like this is; 0 while that cannot be said."""
    if len(start) < 2:
        return 0
    if start[1] in (15, 16):
        return 9 + start[6] if len(start) > 6 else 0
    return 8


def to_tcp(transaction: int, unit: int, pdu: bytes) -> bytes:
    """The Modbus TCP frame of a PDU."""
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def read_mbap(header: bytes) -> Mbap:
    """The header of a Modbus TCP frame, from exactly MBAP_BYTES bytes."""
    return Mbap(*struct.unpack(">HHHB", header))


def exception(function: int, code: int) -> bytes:
    """The PDU of an exception answer."""
    return bytes([function | 0x80, code])


def read_request(pdu: bytes) -> tuple[int, int] | None:
    """(address, count) of a request to read registers, or None if it is not 5 bytes long."""
    return struct.unpack(">HH", pdu[1:]) if len(pdu) == 5 else None


def read_answer(function: int, words: tuple[int, ...]) -> bytes:
    """The PDU that answers a request to read registers."""
    return struct.pack(f">BB{len(words)}H", function, 2 * len(words), *words)
