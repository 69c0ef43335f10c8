"""PURE: the few MQTT 3.1.1 packets that a publisher needs, for loads in which a client's own cost must not count."""

import struct

CONNACK, PUBLISH, PUBACK, SUBACK = 0x20, 0x30, 0x40, 0x90
_WILL_QOS_1_RETAINED, _CLEAN_SESSION = 0b101100, 0b10


def connect(client_id: str, keepalive_s: int = 0, will: tuple[str, bytes] | None = None) -> bytes:
    """A clean session. `will` is topic and payload, published retained when the client vanishes."""
    flags = _CLEAN_SESSION | (_WILL_QOS_1_RETAINED if will else 0)
    body = text("MQTT") + bytes([4, flags]) + struct.pack("!H", keepalive_s) + text(client_id)
    if will:
        body += text(will[0]) + struct.pack("!H", len(will[1])) + will[1]
    return b"\x10" + length(len(body)) + body


def subscribe(topic: str, qos: int) -> bytes:
    """One filter."""
    body = struct.pack("!H", 1) + text(topic) + bytes([qos])
    return b"\x82" + length(len(body)) + body


def publish(topic: str, payload: bytes, number: int, *, retain: bool = False) -> bytes:
    """With QoS 1; `number` is 1 to 65535."""
    body = text(topic) + struct.pack("!H", number)
    return bytes([0x32 | retain]) + length(len(body) + len(payload)) + body + payload


def puback(number: bytes) -> bytes:
    """For a message that came with this number."""
    return b"\x40\x02" + number


def received(kind: int, body: bytes) -> tuple[bytes, bytes, bytes]:
    """Topic, payload, and number ("" with QoS 0) of a PUBLISH."""
    end = 2 + int.from_bytes(body[:2], "big")
    start = end + 2 if kind & 0b110 else end
    return body[2:end], body[start:], body[end:start]


def split(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The whole packets in `data` as (first byte, body), and what is left over."""
    found, at = [], 0
    while (end := _end(data, at)) is not None:
        start, stop = end
        found.append((data[at], data[start:stop]))
        at = stop
    return found, data[at:]


def _end(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the body of the packet at `at` starts and ends, or None when it is not whole yet."""
    total = shift = 0
    for place in range(at + 1, min(at + 5, len(data))):
        total |= (data[place] & 127) << shift
        shift += 7
        if data[place] < 128:
            return (place + 1, place + 1 + total) if place + 1 + total <= len(data) else None
    return None


def text(value: str) -> bytes:
    """A string with its length before it."""
    return struct.pack("!H", len(value.encode())) + value.encode()


def length(value: int) -> bytes:
    """The remaining length, seven bits a byte."""
    out = b""
    while True:
        value, low = divmod(value, 128)
        out += bytes([low | (128 if value else 0)])
        if not value:
            return out
