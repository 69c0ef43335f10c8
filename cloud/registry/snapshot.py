"""What the registry tells the processes that must not wait for its database: Arrow tables in files.

A snapshot is a folder with one file a table and `current.json`, which names them; a whole file is never replaced (its
name holds a hash of its content), only `current.json` is renamed over. Readers look at that small file, and load
again when it changed. Nothing here knows the database.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import pyarrow as pa
from pyarrow import ipc

from cloud.hashed import content_hash, is_whole
from contract.problems import Problem

OPEN_FROM_S, OPEN_TO_S = -(2**62), 2**62
CURRENT = "current.json"
INNER = "snapshot"  # where it lies in a registry's own folder: readers may be given either

_NAMES = pa.dictionary(pa.int32(), pa.string())

# One row for each (meter, quantity) and stretch of time [from_s, to_s) in which nothing about it changes; the
# stretches of one (meter, quantity) do not overlap. Sorted by gateway, meter, quantity, from_s.
SPANS = pa.schema(
    [
        ("meter", pa.string()),
        ("quantity", _NAMES),
        ("from_s", pa.int64()),
        ("to_s", pa.int64()),
        ("area", _NAMES),
        ("gateway", _NAMES),
        ("site", _NAMES),
        ("region", pa.int32()),  # the dong, by its number in REGIONS; 0 where it is not known
        ("use", pa.uint8()),  # of the building, 1..29 as the building register numbers them; 0: not known
        ("utility", pa.uint8()),  # place in cloud.metering.codes.UTILITIES
        ("role", pa.uint8()),  # place in cloud.metering.codes.ROLES
        ("parent", pa.string()),  # the meter that this one hangs behind, or null
        ("life", pa.int32()),  # counts the devices that hung there: another number is another device
        ("digits", pa.uint8()),  # before the decimal point, of the register as it is shown; 0: not known
        ("multiplier", pa.float64()),  # what there is = what the meter shows x multiplier
        ("max_per_h", pa.float64()),  # more of the quantity in an hour is physically impossible; null: not known
        ("opening", pa.float64()),  # what the register showed when this device was mounted; null: not known
        ("closing", pa.float64()),  # and when it was taken off
        ("live", pa.bool_()),  # shown by its site on the live page
    ]
)

SITES = pa.schema(
    [
        ("site", pa.string()),
        ("name_ko", pa.string()),
        ("name_en", pa.string()),
        ("kind", pa.string()),  # industrial-complex, apartment-block, public-building, household, other
        ("region", pa.int32()),
        ("live", pa.bool_()),
    ]
)

# A region keeps its number for ever. `codes` of the administration stand beside it and identify nothing.
REGIONS = pa.schema(
    [
        ("region", pa.int32()),
        ("level", pa.string()),  # province, city, district, dong
        ("parent", pa.int32()),  # 0 at the top
        ("code", pa.string()),
        ("name_ko", pa.string()),
        ("name_en", pa.string()),
        ("valid_from_s", pa.int64()),
        ("valid_to_s", pa.int64()),
        ("longitude", pa.float64()),
        ("latitude", pa.float64()),
        ("households", pa.int32()),  # null: not known
        ("persons", pa.int32()),  # null: not known
    ]
)

# What a region was made of: `weight` is the share of the predecessor that went into it.
PREDECESSORS = pa.schema([("region", pa.int32()), ("predecessor", pa.int32()), ("weight", pa.float64())])

# No supply, or no reading, by a known cause. Exactly one of meter, gateway, site is not null, or `region` is not 0.
OUTAGES = pa.schema(
    [
        ("from_s", pa.int64()),
        ("to_s", pa.int64()),
        ("meter", pa.string()),
        ("gateway", pa.string()),
        ("site", pa.string()),
        ("region", pa.int32()),
        ("utility", pa.uint8()),  # null: all
        ("reason", pa.string()),
    ]
)

# Floor area by region and use, for figures per m2.
FLOORS = pa.schema([("region", pa.int32()), ("use", pa.uint8()), ("floor_m2", pa.float64())])


@dataclass(frozen=True)
class Snapshot:
    """One moment of the registry. `version` is of the content: equal versions are equal tables."""

    version: str
    spans: pa.Table
    sites: pa.Table
    regions: pa.Table
    predecessors: pa.Table
    outages: pa.Table
    floors: pa.Table


SCHEMAS: Mapping[str, pa.Schema] = {
    "spans": SPANS,
    "sites": SITES,
    "regions": REGIONS,
    "predecessors": PREDECESSORS,
    "outages": OUTAGES,
    "floors": FLOORS,
}
assert list(SCHEMAS) == [field.name for field in fields(Snapshot)][1:]


def write(folder: Path, tables: Mapping[str, pa.Table]) -> str:
    """Make these the current tables of the folder; those not given are empty. Returns the version. Raises Problem.

    All is on disk when this returns. Files that no longer belong to the current snapshot are removed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = {name: _write_table(folder, name, tables.get(name), schema) for name, schema in SCHEMAS.items()}
        text = json.dumps(names, indent=1, sort_keys=True)
        before = _earlier(folder)
        new = folder / f".{CURRENT}.new"
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(folder / CURRENT)
        _sync(folder)
        for old in set(before.values()) - set(names.values()):
            (folder / old).unlink(missing_ok=True)
    except OSError as error:
        raise Problem(
            f"{folder}: 등록부 사본을 쓸 수 없습니다: {error.strerror}",
            f"{folder}: the registry's snapshot cannot be written: {error.strerror}",
        ) from error
    return _version(names)


def load(folder: Path) -> Snapshot:
    """The current snapshot of the folder, or of the registry whose folder it is. Raises Problem."""
    folder = _where(folder)
    for attempt in range(3):
        try:
            names = _current(folder)
            if set(names) != set(SCHEMAS):
                raise Problem(
                    f"{folder}: 등록부 사본이 없습니다. 먼저 'bitgoeul cloud registry publish'를 하십시오",
                    f"{folder}: no registry snapshot; run 'bitgoeul cloud registry publish' first",
                )
            tables = {name: _read_table(folder / file, SCHEMAS[name]) for name, file in names.items()}
            return Snapshot(_version(names), **tables)
        except (OSError, pa.ArrowException, ValueError) as error:
            if isinstance(error, FileNotFoundError) and attempt < 2:  # a newer snapshot came between the two looks
                continue
            raise Problem(
                f"{folder}: 등록부 사본을 읽을 수 없습니다: {error}",
                f"{folder}: the registry's snapshot cannot be read: {error}",
            ) from error
    raise AssertionError("unreachable")


def version(folder: Path) -> str:
    """The version that `load` would give, "" where there is none; cheap."""
    try:
        names = _current(_where(folder))
    except (OSError, ValueError):
        return ""
    return _version(names) if names else ""


def _write_table(folder: Path, name: str, table: pa.Table | None, schema: pa.Schema) -> str:
    rows = schema.empty_table() if table is None else table.cast(schema).combine_chunks()
    sink = pa.BufferOutputStream()
    with ipc.new_file(sink, schema, options=ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(rows)
    content = sink.getvalue()
    file_name = f"{name}-{content_hash(content)}.arrow"
    path = folder / file_name
    if not is_whole(path):
        new = folder / f".{file_name}.new"
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    return file_name


def _read_table(path: Path, schema: pa.Schema) -> pa.Table:
    with pa.memory_map(os.fspath(path)) as source:
        return ipc.open_file(source).read_all().cast(schema)


def _current(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / CURRENT).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return {str(name): Path(str(file)).name for name, file in found.items()} if isinstance(found, dict) else {}


def _where(folder: Path) -> Path:
    inner = folder / INNER
    return inner if (inner / CURRENT).exists() and not (folder / CURRENT).exists() else folder


def _earlier(folder: Path) -> dict[str, str]:
    try:
        return _current(folder)
    except ValueError:  # damaged: what is written now mends it
        return {}


def _version(names: Mapping[str, str]) -> str:
    return hashlib.blake2b("".join(names[name] for name in sorted(names)).encode(), digest_size=8).hexdigest()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
