"""PURE: the frames of Modbus reads, over RTU and over TCP.

RTU   unit │ function │ address, words │ CRC          unit │ function │ bytes │ words … │ CRC
TCP   transaction │ 0 │ length │ unit │ function │ address, words     … the same, without CRC

An exception is the function with its highest bit set, and one byte of code.
"""

import struct
from typing import NamedTuple

from edge.drivers.driver import Question
from edge.models import Table

FUNCTIONS: dict[Table, int] = {"holding": 3, "input": 4}
REQUEST_BYTES = 8
EXCEPTION_BYTES = 5
_EXCEPTION = 0x80
_MBAP = struct.Struct(">HHHB")
_MAX_MBAP_LENGTH = 260


class Found(NamedTuple):
    """An answer: words; or none, and the code of an exception (0, which Modbus does not have, is met too)."""

    words: tuple[int, ...] = ()
    code: int = 0


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1  # noqa: PLW2901  # the register of the CRC
        table.append(value)
    return tuple(table)


_CRC = _crc_table()


def crc(data: bytes) -> bytes:
    """Modbus' CRC-16, as it goes over the wire."""
    register = 0xFFFF
    for byte in data:
        register = register >> 8 ^ _CRC[(register ^ byte) & 0xFF]
    return register.to_bytes(2, "little")


def _pdu(question: Question) -> bytes:
    return struct.pack(">BHH", FUNCTIONS[question.table], question.address, question.words)


def rtu_request(question: Question) -> bytes:
    """The frame that asks."""
    body = bytes([question.unit]) + _pdu(question)
    return body + crc(body)


def rtu_answer_bytes(words: int) -> int:
    """How long a whole answer is."""
    return 5 + 2 * words


def rtu_answer(heard: bytes, question: Question) -> Found | None:
    """The answer to `question` among what was heard, or None while there is none.

    Only a frame of that unit, function and length with a right CRC is one: noise before it, an echo of the
    request and late answers of others are passed over.
    """
    unit, function = question.unit, FUNCTIONS[question.table]
    length = 2 * question.words
    frame = _frame(heard, bytes([unit, function, length]), rtu_answer_bytes(question.words))
    if frame:
        return Found(struct.unpack_from(f">{question.words}H", frame, 3))
    frame = _frame(heard, bytes([unit, function | _EXCEPTION]), EXCEPTION_BYTES)
    return Found(code=frame[2]) if frame else None


def rtu_begun(heard: bytes, question: Question) -> bool:
    """Whether an answer of that unit has begun that is not whole, or broken; whole ones to others are passed over."""
    start = bytes([question.unit, FUNCTIONS[question.table]])
    at = heard.find(start)
    while at >= 0:
        length = rtu_answer_bytes(heard[at + 2] // 2) if len(heard) > at + 2 else EXCEPTION_BYTES
        if not _frame(heard[at:], start, length):
            return True
        at = heard.find(start, at + length)
    return False


def _frame(heard: bytes, start: bytes, length: int) -> bytes | None:
    at = heard.find(start)
    while at >= 0 and len(heard) >= at + length:
        frame = heard[at : at + length]
        if crc(frame[:-2]) == frame[-2:]:
            return frame
        at = heard.find(start, at + 1)
    return None


def tcp_request(question: Question, transaction: int) -> bytes:
    """The frame that asks."""
    body = _pdu(question)
    return _MBAP.pack(transaction, 0, len(body) + 1, question.unit) + body


def tcp_next(heard: bytes) -> tuple[int, bytes, int] | None:
    """(transaction, PDU, bytes used) of the first whole frame, or None while there is none.

    Raises ValueError where no frame can begin: the stream is out of step for good.
    """
    if len(heard) < _MBAP.size:
        return None
    transaction, protocol, length, _unit = _MBAP.unpack_from(heard)
    if protocol != 0 or not 3 <= length <= _MAX_MBAP_LENGTH:
        raise ValueError("no Modbus TCP frame")
    used = 6 + length
    return (transaction, heard[_MBAP.size : used], used) if len(heard) >= used else None


def tcp_answer(pdu: bytes, question: Question) -> Found | None:
    """The answer in a PDU, or None where it does not fit the question."""
    function = FUNCTIONS[question.table]
    if pdu[0] == function | _EXCEPTION and len(pdu) == 2:
        return Found(code=pdu[1])
    if pdu[0] != function or len(pdu) != 2 + 2 * question.words or pdu[1] != 2 * question.words:
        return None
    return Found(struct.unpack_from(f">{question.words}H", pdu, 2))
