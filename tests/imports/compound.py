"""Just enough of the compound files that XLS and workbooks with passwords are: one stream in one container."""

import struct

_END, _FAT, _FREE = 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
_SECTOR = 512


def compound(streams: dict[str, bytes]) -> bytes:
    """A container of these streams, padded with zeros to 4096 bytes: smaller ones would share sectors."""
    fat, body, entries = [_FAT, _END], b"", [_entry("Root Entry", 5, _END, 0, child=1)]
    for at, (name, content) in enumerate(streams.items(), 1):
        data = content.ljust(max(4096, -(-len(content) // _SECTOR) * _SECTOR), b"\0")
        first, count = len(fat), len(data) // _SECTOR
        fat += [*range(first + 1, first + count), _END]
        body += data
        entries.append(_entry(name, 2, first, len(data), right=at + 1 if at < len(streams) else _FREE))
    table = struct.pack(f"<{len(fat)}I", *fat).ljust(_SECTOR, b"\xff")
    directory = b"".join(entries).ljust(_SECTOR, b"\0")
    assert len(table) == len(directory) == _SECTOR
    return _header() + table + directory + body


def xls(name: str, rows: list[list[str | float]], password: bool = False) -> bytes:
    """A BIFF8 workbook of one sheet; with a password it only says that it has one."""
    cells = b""
    for row, line in enumerate(rows):
        for column, cell in enumerate(line):
            place = struct.pack("<HHH", row, column, 0)
            if isinstance(cell, str):
                text = struct.pack("<HB", len(cell), 1) + cell.encode("utf-16-le")
                cells += _record(0x0204, place + text)
            else:
                cells += _record(0x0203, place + struct.pack("<d", cell))
    sheet = _begin(0x10) + cells + _record(0x0A, b"")
    title = struct.pack("<BB", len(name), 1) + name.encode("utf-16-le")
    locked = _record(0x2F, struct.pack("<H", 1) + bytes(52)) if password else b""
    globals_length = len(_begin(5)) + len(locked) + 4 + 6 + len(title) + 4
    bound = _record(0x85, struct.pack("<IBB", globals_length, 0, 0) + title)
    return compound({"Workbook": _begin(5) + locked + bound + _record(0x0A, b"") + sheet})


def _begin(kind: int) -> bytes:
    return _record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0, 1997, 0, 6))


def _record(number: int, data: bytes) -> bytes:
    return struct.pack("<HH", number, len(data)) + data


def _header() -> bytes:
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, _END, 0, _END, 0)
    return head + struct.pack("<109I", 0, *[_FREE] * 108)


def _entry(name: str, kind: int, first: int, size: int, child: int = _FREE, right: int = _FREE) -> bytes:
    text = (name + "\0").encode("utf-16-le")
    links = struct.pack("<HBBIII", len(text), kind, 1, _FREE, right, child)
    return text.ljust(64, b"\0") + links + bytes(36) + struct.pack("<IQ", first, size)
