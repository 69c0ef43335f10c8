"""What an agency's files look like: one TOML file a kind of file, shipped ones and the operator's own."""

import hashlib
import re
from pathlib import Path
from typing import Literal, get_args

import msgspec

from cloud.imports.cells import OurUnit, unit
from contract.problems import Problem

SHIPPED = Path(__file__).parent / "mappings"
Role = Literal[
    "month",  # 202401 and the like
    "year",  # beside month_number
    "month_number",
    "day",  # of daily and hourly files, instead of a month
    "time",
    "region",  # code or name of any level
    "city",  # these three, joined, are names; the lowest that is filled counts
    "district",
    "dong",
    "legal_dong",  # 10 digits
    "sigungu",  # 5 digits, beside bjdong
    "bjdong",  # 5 digits
    "bun",
    "ji",
    "kind",  # contract type or use
    "customers",
    "quantity",
    "unit",
    "id",  # what tells rows of the same place and kind apart (a customer's number); never stored
]
ROLES: tuple[Role, ...] = get_args(Role)
PLACE: tuple[Role, ...] = ("region", "city", "district", "dong")
LOT: tuple[Role, ...] = ("legal_dong", "sigungu", "bjdong")
UNITS: dict[str, tuple[OurUnit, ...]] = {
    "electricity": ("kWh",),
    "gas": ("m3", "kWh"),
    "water": ("m3",),
    "heat": ("kWh",),
}
TOTALS = ("합계", "소계", "계", "총계", "총합계", "전체", "total", "subtotal", "grand total", "sum")
_NAME = re.compile(r"[a-z0-9-]{1,64}")


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`columns` says by which header names a role is known. `source` is who counts what: sums are made within one."""

    source: str
    agency_ko: str
    agency_en: str
    utility: Literal["electricity", "gas", "water", "heat"]
    columns: dict[Role, list[str]]
    about_ko: str = ""
    about_en: str = ""
    unit: str = ""  # where the file itself names none
    kind: str = ""  # of all rows, where no column says it
    sheet: str = ""
    wide: Literal["", "kind", "month"] = ""  # what the header says of several columns of quantities
    header_rows: Literal[1, 2, 3] = 1
    header_at: int = 0  # row in the file; 0: the first one where all is found
    fill_down: tuple[Role, ...] = ()  # roles whose empty cells mean the cell above: merged cells, saved as CSV
    totals: tuple[str, ...] = TOTALS
    missing: tuple[str, ...] = ("", "-", "–", "—", "...", "N/A", "미집계")
    suppressed: tuple[str, ...] = ("*", "**", "***", "X", "비공개")
    months_each: Literal[1, 2] = 1  # 2: each figure is of two months
    month_is: Literal["first", "last"] = "first"  # which of them the file names
    time_is: Literal["start", "end"] = "start"  # of the stretch of time that a row of an hourly file is about
    lots_without_dong: Literal["refuse", "district"] = "refuse"  # district: whole lots files are also kept by district

    @property
    def units(self) -> tuple[OurUnit, ...]:
        """Ours, that figures of this utility may have."""
        return UNITS[self.utility]

    @property
    def digest(self) -> str:
        """Of all that it says."""
        return hashlib.blake2b(msgspec.json.encode(self, order="sorted"), digest_size=16).hexdigest()


def load(name: str, own: Path | None = None) -> tuple[str, Mapping]:
    """Its name and the mapping: a file's path, else the operator's own of that name in `own`, else a shipped one.

    Raises Problem.
    """
    path = Path(name)
    if path.suffix == ".toml":
        return path.stem, read(path)
    if not _NAME.fullmatch(name):
        raise Problem(f"매핑 이름 '{name}': a-z, 0-9, - 1~64자", f"mapping '{name}': expected 1 to 64 of a-z, 0-9, -")
    for folder in (own, SHIPPED):
        if folder is not None and (folder / f"{name}.toml").is_file():
            return name, read(folder / f"{name}.toml")
    known = ", ".join(sorted(names(own)))
    raise Problem(f"매핑 '{name}'이(가) 없습니다. 있는 것: {known}", f"no mapping '{name}'; there are: {known}")


def names(own: Path | None = None) -> dict[str, Path]:
    """All mappings by name, the operator's own before the shipped of the same name."""
    found = {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}
    return found | ({path.stem: path for path in sorted(own.glob("*.toml"))} if own is not None else {})


def read(path: Path) -> Mapping:
    """A mapping's file, checked. Raises Problem."""
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise Problem(
            f"{path}: 읽을 수 없습니다: {error.strerror}", f"{path}: cannot be read: {error.strerror}"
        ) from error
    except Problem as problem:
        raise Problem(f"{path}: {problem.text.ko}", f"{path}: {problem.text.en}") from problem


def parse(data: bytes) -> Mapping:
    """The same of a file's bytes. Raises Problem."""
    try:
        mapping = msgspec.toml.decode(data, type=Mapping)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(f"매핑이 아닙니다: {error}", f"no mapping: {error}") from error
    check(mapping)
    return mapping


def save(folder: Path, name: str, mapping: Mapping) -> Path:
    """As the operator's own, in place of an earlier one of that name. Raises Problem."""
    if not _NAME.fullmatch(name):
        raise Problem(f"매핑 이름 '{name}': a-z, 0-9, - 1~64자", f"mapping '{name}': expected 1 to 64 of a-z, 0-9, -")
    check(mapping)
    path = folder / f"{name}.toml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / f".{name}.toml.new"
        new.write_text(to_toml(mapping), encoding="utf-8")
        new.replace(path)
    except OSError as error:
        raise Problem(
            f"{path}: 쓸 수 없습니다: {error.strerror}", f"{path}: cannot be written: {error.strerror}"
        ) from error
    return path


def to_toml(mapping: Mapping) -> str:
    """What `parse` reads; the table of columns comes last."""
    plain = msgspec.to_builtins(mapping)
    lines = [f"{key} = {_value(value)}" for key, value in plain.items() if key != "columns"]
    lines += ["", "[columns]", *(f"{role} = {_value(heads)}" for role, heads in plain["columns"].items())]
    return "\n".join(lines) + "\n"


def check(mapping: Mapping) -> None:
    """Raises Problem where it could import nothing."""
    roles = set(mapping.columns)
    if not _NAME.fullmatch(mapping.source):
        raise Problem(
            f"source '{mapping.source}': a-z, 0-9, - 1~64자",
            f"source '{mapping.source}': expected 1 to 64 of a-z, 0-9, -",
        )
    if mapping.unit and _wrong_unit(mapping):
        raise Problem(
            f"unit '{mapping.unit}': {mapping.utility}의 단위가 아닙니다",
            f"unit '{mapping.unit}': no unit of {mapping.utility}",
        )
    timed = {"month"} <= roles or {"year", "month_number"} <= roles or "day" in roles or mapping.wide == "month"
    lot = "legal_dong" in roles or {"sigungu", "bjdong"} <= roles
    quantities = mapping.columns.get("quantity") or mapping.wide == "month"
    if not (timed and quantities and (lot or roles & set(PLACE))):
        raise Problem(
            "columns에 월(month, 또는 year와 month_number, 또는 day), 장소(region, district, dong, 또는 legal_dong,"
            " 또는 sigungu와 bjdong), quantity가 있어야 합니다",
            "columns must name a time (month, or year and month_number, or day), a place (region, district, dong, or"
            " legal_dong, or sigungu and bjdong) and a quantity",
        )


def _wrong_unit(mapping: Mapping) -> bool:
    found = unit(mapping.unit)
    return found is None or found[0] not in mapping.units


def _value(value: object) -> str:
    """TOML of text, whole numbers and lists of text: JSON's forms of them are TOML's too."""
    return msgspec.json.encode(value).decode().replace('","', '", "').replace("\x7f", "\\u007f")
