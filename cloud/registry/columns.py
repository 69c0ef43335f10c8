"""The registry's entities and their CSV files, column by column: the one place that says what a file may hold.

A file is named after its entity (`meters.csv`, `meters-north.csv`), its first line names the columns in any order, and
columns that may be empty may be left out. A column left out keeps what the registry has; an empty cell clears it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from cloud.metering.codes import ROLES, UTILITIES
from contract.problems import Text

# name: [a-z0-9-]{1,64}; words: names of quantities, separated by spaces; from, to: a time, empty: open on that side
Kind = Literal["name", "text", "words", "choice", "whole", "number", "yesno", "from", "to", "shape"]

SITE_KINDS = ("industrial-complex", "apartment-block", "public-building", "household", "other")
LEVELS = ("province", "city", "district", "dong")

KINDS: Mapping[Kind, Text] = {
    "name": Text("영문 소문자·숫자·하이픈 1~64자", "1 to 64 of a-z, 0-9 and '-'"),
    "text": Text("글자 1~200자", "text of 1 to 200 characters"),
    "words": Text("측정 항목 이름을 공백으로 구분", "names of quantities, separated by spaces"),
    "choice": Text("다음 중 하나", "one of"),
    "whole": Text("정수", "a whole number"),
    "number": Text("수", "a number"),
    "yesno": Text("true 또는 false", "true or false"),
    "from": Text(
        "시각: 2026-07-01, 2026-07-01T09:00(+09:00) 또는 에포크 초. 비면 처음부터",
        "a time: 2026-07-01, 2026-07-01T09:00(+09:00) or epoch seconds; Korean time where no offset is given; "
        "empty: from ever",
    ),
    "shape": Text("GeoJSON Polygon이나 MultiPolygon (WGS84)", "a GeoJSON Polygon or MultiPolygon (WGS84)"),
    "to": Text("시각. 그 시각은 포함하지 않음. 비면 계속", "a time, itself not included; empty: open"),
}


@dataclass(frozen=True)
class Column:
    """`key` columns together are the row's identity. `default` is what a new row gets where the cell is empty."""

    name: str
    kind: Kind
    about: Text
    key: bool = False
    needed: bool = False
    default: str = ""
    choices: tuple[str, ...] = ()
    low: float = -(2.0**53)
    high: float = 2.0**53

    @property
    def field(self) -> str:
        """The column's name in the database and in Arrow tables: times are epoch seconds there."""
        return f"{self.name}_s" if self.kind in ("from", "to") else self.name


@dataclass(frozen=True)
class Entity:
    """`columns` are those of the database; `wide` what its CSV file may have beside them."""

    name: str
    about: Text
    columns: tuple[Column, ...]
    wide: tuple[Column, ...] = ()

    @property
    def keys(self) -> tuple[Column, ...]:
        """The columns that identify a row."""
        return tuple(column for column in self.columns if column.key)

    @property
    def values(self) -> tuple[Column, ...]:
        """The columns that may change."""
        return tuple(column for column in self.columns if not column.key)


_METER = Column("meter", "name", Text("계량기, 전선에서 쓰는 이름", "the meter's name on the wire"), key=True)
_FROM = Column("from", "from", Text("이때부터", "from when"), key=True)
_TO = Column("to", "to", Text("이때까지", "until when"))
_NAME_KO = Column("name_ko", "text", Text("한국어 이름", "name in Korean"))
_NAME_EN = Column("name_en", "text", Text("영어 이름", "name in English"))
_REGION = Column("region", "whole", Text("행정동 번호 (regions.csv)", "number of the dong in regions.csv"), low=1)
_FLOOR = Column("floor_m2", "number", Text("연면적 m²", "floor area in m2"), low=0, high=1e7)
_UTILITY = Column("utility", "choice", Text("에너지원", "utility"), choices=UTILITIES)
_GATEWAY = Column("gateway", "name", Text("게이트웨이", "gateway"))
_AREA = Column("area", "name", Text("구역. 행정동을 나누지 않음", "area; it splits no dong"), default="main")
_SITE = Column("site", "name", Text("시설", "site"))

_LIFE = (
    Column("removed", "to", Text("기기를 뗀 때", "when the device was taken off")),
    Column("serial", "text", Text("기기 번호", "the device's serial number")),
    Column("digits", "whole", Text("지침의 정수부 자릿수", "digits before the point of its register"), low=1, high=15),
    Column("opening", "number", Text("달 때의 지침", "what the register showed when it was mounted"), low=0),
    Column("closing", "number", Text("뗄 때의 지침", "and when it was taken off"), low=0),
)
_INSTALLED = Column("installed", "from", Text("기기를 단 때", "when the device was mounted"), key=True)
_MULTIPLIER = Column(
    "multiplier",
    "number",
    Text("배율: 실제 양 = 지침 x 배율 (적지 않으면 1)", "what there is = what is shown x multiplier (1 where none is)"),
    low=1e-9,
    high=1e9,
)
_MAX_PER_H = Column(
    "max_per_h",
    "number",
    Text("한 시간의 최대량: kW나 관의 m³/h", "the most of an hour: kW contracted, or the pipe's m3 per hour"),
    low=1e-9,
    high=1e9,
)

_ALL = (
    Entity(
        "regions",
        Text("시, 구, 행정동. 번호는 바뀌지 않음", "city, districts and dongs; a number is for ever"),
        (
            replace(_REGION, key=True, about=Text("번호", "its number")),
            Column("level", "choice", Text("단계", "level"), needed=True, choices=LEVELS),
            Column(
                "parent", "whole", Text("상위 지역, 없으면 0", "the region above, 0 at the top"), default="0", low=0
            ),
            Column("code", "text", Text("행정 코드", "code of the administration")),
            replace(_NAME_KO, needed=True),
            _NAME_EN,
            Column("valid_from", "from", Text("이때부터 있음", "exists from")),
            Column("valid_to", "to", Text("이때까지 있음", "exists until")),
            Column("longitude", "number", Text("대표점 경도", "of a point inside"), low=-180, high=180),
            Column("latitude", "number", Text("대표점 위도", "of a point inside"), low=-90, high=90),
            Column("households", "whole", Text("세대 수", "households"), low=0),
            Column("persons", "whole", Text("인구", "persons"), low=0),
            Column("source", "text", Text("출처", "where this is from")),
        ),
    ),
    Entity(
        "predecessors",
        Text("지역이 무엇으로 만들어졌는지", "what a region was made of"),
        (
            replace(_REGION, key=True, about=Text("새 지역", "the new region")),
            replace(_REGION, name="predecessor", key=True, about=Text("옛 지역", "the old region")),
            Column(
                "weight", "number", Text("옛 지역 중 옮겨 온 몫", "share of the old one"), needed=True, low=0, high=1
            ),
            Column("basis", "text", Text("몫의 근거", "what the share rests on")),
        ),
    ),
    Entity(
        "boundaries",
        Text("지역의 경계", "boundaries of regions"),
        (
            replace(_REGION, key=True, about=Text("지역", "the region")),
            Column("geometry", "shape", Text("경계", "boundary"), needed=True),
            Column("source", "text", Text("출처", "where this is from")),
        ),
    ),
    Entity(
        "sites",
        Text("시설", "sites"),
        (
            replace(_SITE, key=True),
            replace(_NAME_KO, needed=True),
            _NAME_EN,
            Column("kind", "choice", Text("종류", "kind"), default="other", choices=SITE_KINDS),
            _REGION,
            Column(
                "live", "yesno", Text("실시간 화면에 따로 보임", "shown by itself on the live page"), default="false"
            ),
        ),
    ),
    Entity(
        "buildings",
        Text("건물과 그 기간 (한 건물에 여러 줄 가능)", "buildings, one row for each stretch of time"),
        (
            Column("building", "name", Text("건물", "building"), key=True),
            _FROM,
            _TO,
            _SITE,
            _REGION,
            Column(
                "use",
                "whole",
                Text("건축물대장 주용도 1~29", "use, as the building register's 1 to 29"),
                low=1,
                high=29,
            ),
            _FLOOR,
            _NAME_KO,
            _NAME_EN,
        ),
    ),
    Entity(
        "units",
        Text("건물 안의 세대나 방", "dwellings or rooms of a building"),
        (
            Column("building", "name", Text("건물", "building"), key=True),
            Column("unit", "text", Text("동·호 등", "its name there"), key=True),
            _FLOOR,
        ),
    ),
    Entity(
        "gateways",
        Text("게이트웨이", "gateways"),
        (replace(_GATEWAY, key=True), _AREA, _SITE),
    ),
    Entity(
        "meters",
        Text(
            "계량기. 기기·게이트웨이·배율 등도 한 줄에 적을 수 있고, 바뀔 때마다 한 줄 (기간은 겹치지 않음)",
            "meters; device, gateway, multiplier and so on may stand in the same row, "
            "one row for each stretch of time in which they stay the same",
        ),
        (
            _METER,
            replace(_UTILITY, needed=True),
            Column("role", "choice", Text("역할", "role"), default="main", choices=ROLES),
            Column("parent", "name", Text("이 계량기 앞의 계량기", "the meter that this one hangs behind")),
            Column("building", "name", Text("건물", "building")),
            Column("unit", "text", Text("건물 안의 세대나 방", "dwelling or room of that building")),
            Column("quantities", "words", Text("보내는 측정 항목", "the quantities that it reports"), needed=True),
        ),
        wide=(
            _GATEWAY,
            replace(_AREA, default="", about=Text("그 게이트웨이의 구역", "that gateway's area")),
            replace(_FROM, key=False, about=Text("이 줄의 시작, 비면 installed", "the row's start; empty: installed")),
            replace(_TO, about=Text("이 줄의 끝, 비면 removed", "the row's end; empty: removed")),
            replace(_INSTALLED, key=False),
            *_LIFE,
            _MULTIPLIER,
            _MAX_PER_H,
        ),
    ),
    Entity("lives", Text("계량기 자리에 있던 기기", "the devices that hung there"), (_METER, _INSTALLED, *_LIFE)),
    Entity(
        "multipliers",
        Text("배율", "multipliers"),
        (_METER, _FROM, replace(_MULTIPLIER, needed=True)),
    ),
    Entity(
        "assignments",
        Text("계량기가 달린 게이트웨이", "which gateway reads a meter"),
        (_METER, _FROM, _TO, replace(_GATEWAY, needed=True)),
    ),
    Entity(
        "capacities",
        Text("계약 전력, 관 용량", "contracted power, capacity of the pipe"),
        (
            _METER,
            _FROM,
            replace(_MAX_PER_H, needed=True),
            Column(
                "kind",
                "choice",
                Text("근거", "what it is from"),
                default="other",
                choices=("contract", "pipe", "other"),
            ),
        ),
    ),
    Entity(
        "outages",
        Text(
            "공급이나 통신이 없던 때. meter, gateway, site, region 중 하나만",
            "no supply, or no reading; exactly one of meter, gateway, site, region",
        ),
        (
            Column("outage", "name", Text("이름", "its name"), key=True),
            replace(_FROM, key=False),
            _TO,
            replace(_METER, key=False),
            _GATEWAY,
            _SITE,
            _REGION,
            replace(_UTILITY, about=Text("비면 모두", "empty: all")),
            Column("reason", "text", Text("까닭", "why"), needed=True),
        ),
    ),
)

ENTITIES: Mapping[str, Entity] = {entity.name: entity for entity in _ALL}
