"""The registry's tables. Their columns are those of `cloud.registry.columns`, a test holds the two together.

Times are UTC epoch seconds; an open bound is `snapshot.OPEN_FROM_S` or `OPEN_TO_S`, so that it can stand in a key.
"""

from typing import ClassVar

from sqlalchemy import BigInteger, ForeignKey, Index, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_KEYED = {"sqlite_with_rowid": False}  # a table of its key, not a table and an index


class Base(DeclarativeBase):
    """All tables of the registry."""

    type_annotation_map: ClassVar = {int: BigInteger, str: Text}


class Region(Base):
    """A city, district or dong: `region` is its number for ever."""

    __tablename__ = "regions"
    region: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    level: Mapped[str]
    parent: Mapped[int]
    code: Mapped[str | None]
    name_ko: Mapped[str]
    name_en: Mapped[str | None]
    valid_from_s: Mapped[int]
    valid_to_s: Mapped[int]
    longitude: Mapped[float | None]
    latitude: Mapped[float | None]
    households: Mapped[int | None]
    persons: Mapped[int | None]
    source: Mapped[str | None]


class Predecessor(Base):
    """`weight` is the share of the predecessor that went into the region."""

    __tablename__ = "predecessors"
    region: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    predecessor: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    weight: Mapped[float]
    basis: Mapped[str | None]


class Boundary(Base):
    """`geometry` is GeoJSON, WGS84: Polygon or MultiPolygon."""

    __tablename__ = "boundaries"
    region: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    geometry: Mapped[str]
    source: Mapped[str | None]


class Site(Base):
    """`live`: shown by itself on the live page."""

    __tablename__ = "sites"
    __table_args__ = _KEYED
    site: Mapped[str] = mapped_column(primary_key=True)
    name_ko: Mapped[str]
    name_en: Mapped[str | None]
    kind: Mapped[str]
    region: Mapped[int | None]
    live: Mapped[bool]


class Building(Base):
    """What is known of a building from `from_s` until before `to_s`."""

    __tablename__ = "buildings"
    __table_args__ = _KEYED
    building: Mapped[str] = mapped_column(primary_key=True)
    from_s: Mapped[int] = mapped_column(primary_key=True)
    to_s: Mapped[int]
    site: Mapped[str | None]
    region: Mapped[int | None]
    use: Mapped[int | None]
    floor_m2: Mapped[float | None]
    name_ko: Mapped[str | None]
    name_en: Mapped[str | None]


class Unit(Base):
    """A dwelling or room of a building."""

    __tablename__ = "units"
    __table_args__ = _KEYED
    building: Mapped[str] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(primary_key=True)
    floor_m2: Mapped[float | None]


class Gateway(Base):
    """A gateway belongs to one area."""

    __tablename__ = "gateways"
    __table_args__ = _KEYED
    gateway: Mapped[str] = mapped_column(primary_key=True)
    area: Mapped[str]
    site: Mapped[str | None]


class Meter(Base):
    """What never changes about a place where a meter hangs; `quantities` are separated by spaces."""

    __tablename__ = "meters"
    __table_args__ = (Index("ix_meters_building", "building"), _KEYED)
    meter: Mapped[str] = mapped_column(primary_key=True)
    utility: Mapped[str]
    role: Mapped[str]
    parent: Mapped[str | None]
    building: Mapped[str | None]
    unit: Mapped[str | None]
    quantities: Mapped[str]


class Life(Base):
    """One device that hung there."""

    __tablename__ = "lives"
    __table_args__ = _KEYED
    meter: Mapped[str] = mapped_column(primary_key=True)
    installed_s: Mapped[int] = mapped_column(primary_key=True)
    removed_s: Mapped[int]
    serial: Mapped[str | None]
    digits: Mapped[int | None]
    opening: Mapped[float | None]
    closing: Mapped[float | None]


class Multiplier(Base):
    """Holds until the next one."""

    __tablename__ = "multipliers"
    __table_args__ = _KEYED
    meter: Mapped[str] = mapped_column(primary_key=True)
    from_s: Mapped[int] = mapped_column(primary_key=True)
    multiplier: Mapped[float]


class Assignment(Base):
    """The gateway that reads the meter from `from_s` until before `to_s`."""

    __tablename__ = "assignments"
    __table_args__ = (Index("ix_assignments_gateway", "gateway"), _KEYED)
    meter: Mapped[str] = mapped_column(primary_key=True)
    from_s: Mapped[int] = mapped_column(primary_key=True)
    to_s: Mapped[int]
    gateway: Mapped[str]


class Capacity(Base):
    """Holds until the next one: kW contracted, or what the pipe carries in an hour."""

    __tablename__ = "capacities"
    __table_args__ = _KEYED
    meter: Mapped[str] = mapped_column(primary_key=True)
    from_s: Mapped[int] = mapped_column(primary_key=True)
    max_per_h: Mapped[float]
    kind: Mapped[str]


class Outage(Base):
    """Exactly one of meter, gateway, site and region is not null; `utility` null is all."""

    __tablename__ = "outages"
    __table_args__ = _KEYED
    outage: Mapped[str] = mapped_column(primary_key=True)
    from_s: Mapped[int]
    to_s: Mapped[int]
    meter: Mapped[str | None]
    gateway: Mapped[str | None]
    site: Mapped[str | None]
    region: Mapped[int | None]
    utility: Mapped[str | None]
    reason: Mapped[str]


class Act(Base):
    """Who changed something, when, why, and by what: a command or a file. `mark` is random, each act's own."""

    __tablename__ = "acts"
    act: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at_s: Mapped[int]
    by: Mapped[str]
    reason: Mapped[str | None]
    source: Mapped[str]
    mark: Mapped[str]


class Change(Base):
    """One field of one row. `field` "" is a row that came (`after` tells its fields) or went (`before` does)."""

    __tablename__ = "changes"
    __table_args__ = (Index("ix_changes_key", "entity", "key"), _KEYED)
    act: Mapped[int] = mapped_column(ForeignKey("acts.act"), primary_key=True)
    change: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entity: Mapped[str]
    key: Mapped[str]
    field: Mapped[str]
    before: Mapped[str | None]
    after: Mapped[str | None]
