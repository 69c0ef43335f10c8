"""Totals in Parquet files: any number of processes read them, without a server and without a lock.

The totals of one area are a folder: for each local day a file of SLOT_ATOMS, for each local month one of DAY_ATOMS,
and beside each the same summed over all uses, and over all regions of the area; for each month also the hours of each
region, summed over all uses. With these sums most questions are content, and they are small.

A file is never replaced: its name holds a hash of its content, and `manifest.json` says which files are current. Only
the manifest is renamed over, once for each settling, after all that it names is on disk: a reader sees either all of a
settling or nothing of it. A file that is no longer current stays for an hour, since somebody may be reading it.

Equal atoms give equal bytes, and so equal names.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from pyarrow import compute, parquet

from cloud.hashed import content_hash, is_whole
from cloud.store.atoms import HOUR_ATOMS, day_atoms, hour_atoms, of_other_days, ordered, without_region, without_use
from cloud.store.totals_schema import DAY_ATOMS, SLOT_ATOMS
from contract.problems import Problem

MANIFEST = "manifest.json"
KEEP_OLD_S = 3600.0
# Measured: what is large is packed, by the codec that is quick to read (zstd: a quarter smaller, three times slower);
# what is small is quickest as it is. A row group costs a reader as much as some thousand rows; a day's slots are read
# through more files, so in fewer of them.
_LAYOUT = {"slots": (65_536, "snappy"), "days": (16_384, "snappy")}
_ROLLED_UP = (8_192, "none")
_EPOCH = date(1970, 1, 1).toordinal()

_T = TypeVar("_T")


@dataclass(frozen=True)
class Files:
    """The files of one day's slots or of one month's days: the atoms, and what is summed from them.

    Their names; what a reader gives has their paths.
    """

    atoms: str
    without_use: str
    without_region: str

    @property
    def all(self) -> tuple[str, str, str]:
        return self.atoms, self.without_use, self.without_region


@dataclass(frozen=True)
class Manifest:
    """What is current: by local day, as "2026-11-27", and by local month, as "2026-11"."""

    slots: Mapping[str, Files] = field(default_factory=dict)
    days: Mapping[str, Files] = field(default_factory=dict)
    hours: Mapping[str, str] = field(default_factory=dict)  # a month's file of HOUR_ATOMS
    regions: frozenset[int] = frozenset()  # no atom is of another one


@dataclass(frozen=True)
class Current:
    """The files of one area that a question needs, by their paths; `regions` as in the manifest."""

    files: tuple[Files, ...]
    hours: tuple[str, ...]  # of the months in which the days are
    regions: frozenset[int]


def day_name(day: int) -> str:
    """Days since 1970-01-01 as a date, "2026-11-27"; its first seven letters are the month."""
    return date.fromordinal(_EPOCH + day).isoformat()


class TotalsWriter:
    """The totals of one area, for the one process that settles it; to be used by one thread. Methods raise Problem."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with _told(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._manifest = read_manifest(folder)
            if not (folder / MANIFEST).exists():
                if any(folder.glob("*.parquet")):  # a first settling has the manifest before it has any other file
                    raise FileNotFoundError(f"{MANIFEST} is gone")
                self._publish(Manifest())

    def write_day(self, day: int, slot_atoms: pa.Table) -> None:
        """See `write_days`."""
        self.write_days({day: slot_atoms})

    def write_days(self, days: Mapping[int, pa.Table]) -> None:
        """Make these SLOT_ATOMS all that there is of these local days, and their day atoms the sums of them.

        An empty table takes the day away. All is on disk when this returns; readers see all days at one moment.
        Raises ValueError where two atoms have one key, or an atom is of another day.
        """
        slots, regions = dict(self._manifest.slots), set(self._manifest.regions)
        parts: dict[str, dict[int, tuple[pa.Table, pa.Table]]] = {}
        with _told(self._folder):
            for day, atoms in days.items():
                rows = ordered(atoms.cast(SLOT_ATOMS))
                regions |= set(compute.unique(rows["region"]).to_pylist())
                name = day_name(day)
                parts.setdefault(name[:7], {})[day] = day_atoms(day, rows), hour_atoms(rows)
                self._put(slots, name, "slots", rows)
            months, hours = self._months(parts)
            self._publish(Manifest(slots, months, hours, frozenset(regions)))

    def forget_slots(self, before_day: int) -> int:
        """Drop the slots of the local days before that one; how many days had some. Their sums by day and hour stay."""
        kept = {period: files for period, files in self._manifest.slots.items() if period >= day_name(before_day)}
        dropped = len(self._manifest.slots) - len(kept)
        if dropped:
            with _told(self._folder):
                self._publish(replace(self._manifest, slots=kept))
        return dropped

    def forget_damaged(self, from_day: int) -> tuple[list[str], list[str]]:
        """Drop the local days and months that have a file that is gone, or not as it was written, so that they can be
        made again: which were dropped, and which begin before that day and so were left as they are.
        """
        now = self._manifest
        damaged = {name for name in named(now) if not is_whole(self._folder / name)}
        days = {day for day, files in now.slots.items() if damaged.intersection(files.all)}
        months = {
            month for month, files in now.days.items() if damaged.intersection([*files.all, now.hours.get(month)])
        }
        found = days | months
        dropped = {period for period in found if f"{period}-01"[:10] >= day_name(from_day)}
        if dropped:
            slots, sums = _but(now.slots, dropped), _but(now.days, dropped)
            with _told(self._folder):
                self._publish(Manifest(slots, sums, _but(now.hours, dropped), now.regions))
        return sorted(dropped), sorted(found - dropped)

    def read_day(self, day: int) -> pa.Table:
        """SLOT_ATOMS of a local day, in order; empty when there are none."""
        files = self._manifest.slots.get(day_name(day))
        if files is None:
            return SLOT_ATOMS.empty_table()
        with _told(self._folder):
            return _read(self._folder / files.atoms, SLOT_ATOMS)

    def _months(
        self, parts: Mapping[str, Mapping[int, tuple[pa.Table, pa.Table]]]
    ) -> tuple[dict[str, Files], dict[str, str]]:
        """The files of all months, after those of `parts` have other day and hour atoms of some days."""
        months, hours = dict(self._manifest.days), dict(self._manifest.hours)
        for month, days in parts.items():
            kept = [DAY_ATOMS.empty_table(), HOUR_ATOMS.empty_table()]
            if month in months:
                kept[0] = of_other_days(_read(self._folder / months[month].atoms, DAY_ATOMS), days)
                kept[1] = of_other_days(_read(self._folder / hours.pop(month), HOUR_ATOMS), days)
            by_day, by_hour = (pa.concat_tables(pair) for pair in zip(kept, *days.values(), strict=True))
            self._put(months, month, "days", ordered(by_day))
            if by_hour.num_rows:
                hours[month] = _store(self._folder, f"hours-{month}-all-uses", hour_atoms(by_hour), *_ROLLED_UP)
        return months, hours

    def _put(self, current: dict[str, Files], period: str, kind: str, rows: pa.Table) -> None:
        if rows.num_rows:
            name = f"{kind}-{period}"
            current[period] = Files(
                _store(self._folder, name, rows, *_LAYOUT[kind]),
                _store(self._folder, f"{name}-all-uses", without_use(rows), *_ROLLED_UP),
                _store(self._folder, f"{name}-all-regions", without_region(rows), *_ROLLED_UP),
            )
        else:
            current.pop(period, None)

    def _publish(self, new: Manifest) -> None:
        old = named(self._manifest) - named(new)
        for name in old:  # the hour begins now
            if (self._folder / name).exists():
                os.utime(self._folder / name)
        _sync(self._folder)
        plain = {"slots": _plain(new.slots), "days": _plain(new.days)}
        text = json.dumps(plain | {"hours": new.hours, "regions": sorted(new.regions)}, sort_keys=True)
        path = self._folder / f".{MANIFEST}.new"
        _write_synced(path, text.encode())
        path.replace(self._folder / MANIFEST)
        _sync(self._folder)
        self._manifest = new
        _remove_old(self._folder, named(new))


class TotalsReader:
    """The totals of several areas, for any process and any thread; an area that has none yet is empty."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._seen: dict[Path, tuple[tuple[int, int, int], Manifest]] = {}

    def read(self, action: Callable[["TotalsReader"], _T]) -> _T:
        """What the action gives; once more after an OSError, since a file may vanish under it. Raises Problem."""
        try:
            return action(self)
        except OSError:
            self._seen = {}
        with _told(self._folders[0]):
            return action(self)

    def slot_files(self, start_day: int, end_day: int) -> list[Current]:
        """The files of the slots of the local days [start, end), by area."""
        first, last = day_name(start_day), day_name(end_day - 1)
        return self._between(lambda manifest: manifest.slots, first, last)

    def day_files(self, start_day: int, end_day: int) -> list[Current]:
        """The files of the days of the months in which these days are, by area."""
        first, last = day_name(start_day)[:7], day_name(end_day - 1)[:7]
        return self._between(lambda manifest: manifest.days, first, last)

    def version(self) -> str:
        """Of the content: equal versions give equal answers."""
        names = [f"{folder.name}/{name}" for folder in self._folders for name in sorted(named(self._current(folder)))]
        return hashlib.blake2b("\n".join(names).encode(), digest_size=8).hexdigest()

    def _between(self, periods: Callable[[Manifest], Mapping[str, Files]], first: str, last: str) -> list[Current]:
        found = []
        for folder in self._folders:
            manifest = self._current(folder)
            inside = [files for period, files in periods(manifest).items() if first <= period <= last]
            paths = tuple(Files(*(os.fspath(folder / name) for name in files.all)) for files in inside)
            hours = (name for month, name in manifest.hours.items() if first[:7] <= month <= last[:7])
            found.append(Current(paths, tuple(os.fspath(folder / name) for name in hours), manifest.regions))
        return [current for current in found if current.files]

    def _current(self, folder: Path) -> Manifest:
        try:
            status = (folder / MANIFEST).stat()
        except FileNotFoundError:
            return Manifest()
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        seen = self._seen.get(folder)
        if seen is None or seen[0] != stamp:
            seen = (stamp, read_manifest(folder))
            self._seen[folder] = seen
        return seen[1]


def read_manifest(folder: Path) -> Manifest:
    """The current manifest, an empty one where there is none. Raises OSError, for a damaged one too."""
    try:
        found = json.loads((folder / MANIFEST).read_bytes())
        slots, days = ({period: Files(*names) for period, names in found[part].items()} for part in ("slots", "days"))
        return Manifest(slots, days, dict(found["hours"]), frozenset(found["regions"]))
    except FileNotFoundError:
        return Manifest()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OSError(f"{MANIFEST}: {error}") from error


def _plain(periods: Mapping[str, Files]) -> dict[str, tuple[str, str, str]]:
    return {period: files.all for period, files in periods.items()}


def named(manifest: Manifest) -> set[str]:
    """The names of all files that are current."""
    both = (*manifest.slots.values(), *manifest.days.values())
    return {name for files in both for name in files.all} | {*manifest.hours.values()}


def _store(folder: Path, name: str, rows: pa.Table, row_group_size: int, compression: str) -> str:
    """The name of the file that holds these rows; written unless it is there, and whole."""
    sink = pa.BufferOutputStream()
    parquet.write_table(rows, sink, row_group_size=row_group_size, compression=compression, store_schema=False)
    content = sink.getvalue()
    file_name = f"{name}-{content_hash(content)}.parquet"
    if not is_whole(folder / file_name):
        new = folder / f".{file_name}.new"
        _write_synced(new, content)
        new.replace(folder / file_name)
    return file_name


def _but(files: Mapping[str, _T], periods: set[str]) -> dict[str, _T]:
    return {period: its for period, its in files.items() if period not in periods}


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    return parquet.read_table(path).cast(schema)


def _remove_old(folder: Path, current: set[str]) -> None:
    """Take away what is not current for an hour, be it superseded or left by a process that died."""
    until_s = time.time() - KEEP_OLD_S
    for path in folder.iterdir():
        ours = path.name.endswith((".parquet", ".new")) and path.name not in current
        if ours and path.stat().st_mtime < until_s:
            path.unlink(missing_ok=True)


def _write_synced(path: Path, content: bytes | pa.Buffer) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Make a Problem of what the disk or a damaged file gives."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise Problem(
            f"{folder}: 합계 파일을 읽거나 쓸 수 없습니다. 디스크와 {MANIFEST}을 확인하십시오: {error}",
            f"{folder}: the files of totals cannot be read or written; look at the disk and at {MANIFEST}: {error}",
        ) from error
