"""Whatever bytes come: a report or one Problem, never a trace, and never half an import."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select

from cloud.imports import files, store
from cloud.imports.lots import Lots, Share, load
from cloud.imports.mapping import Mapping
from cloud.imports.mapping import parse as parse_mapping
from cloud.imports.reading import Reading, Terms
from cloud.imports.store import Origin
from cloud.imports.suggest import suggest
from cloud.imports.tables import FIGURES, open_database, url_of
from contract.problems import Problem
from tests.imports.compound import xls
from tests.imports.reading_files import HEADER, read, save, terms, workbook

Made = TypeVar("Made")
ROWS: list[list[str | float]] = [["년월", "시군구", "계약종별", "사용량"], [202401.0, "동구", "주택용", 7.5]]
CELLS = st.sampled_from(
    """202401|2024-01|2024.1|45292|동구|29110|광주광역시|합계|소계|주택용
    1,234|1,23|-|*||(5)|△5|#REF!|1E5|5 kWh|5 MWh|5 m3|24:00
    99999999999999999999999999|\x00|\ufffd|０１|=1|nan|"|7""".replace("\n    ", "|").split("|")
) | st.text(max_size=6)
LINES = st.lists(st.lists(CELLS, max_size=7).map(",".join), max_size=12)
TEXTS = LINES.map("\n".join)
WITH_HEADER = st.builds(
    lambda title, text: f"{title}{HEADER}\n{text}", st.sampled_from(["", "제목\n(단위: MWh)\n"]), TEXTS
)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "cp949", "utf-16", "utf-16-le"])


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    opened = open_database(url_of(tmp_path_factory.mktemp("any")))
    yield opened
    opened.dispose()


def result_of(act: Callable[[], Made]) -> Made | None:
    """None where it is a Problem, which must be one line in each language."""
    try:
        return act()
    except Problem as caught:
        problem = caught
    for text in (problem.text.ko, problem.text.en):
        assert text
        assert "\n" not in text
        assert "Traceback" not in text
    return None


def reading_of(data: bytes, under: Terms) -> Reading | None:
    return result_of(lambda: read(data, under))


def check(data: bytes, engine: Engine) -> None:
    under = terms()
    reading = reading_of(data, under)
    if reading is None:
        return
    # the file has one column of quantities: each row is taken, repeats another, or is refused
    assert reading.rows == reading.items + len(reading.repeated) + len(reading.refused)
    for refused in reading.refused:
        assert refused.text.ko.startswith(f"{refused.row}행")
    if not reading.figures:
        return
    before = len(store.listing(engine))
    digest = files.parse(data, "file").digest
    done = store.keep(engine, Origin("m", under.mapping, "f", digest, under.recipe, "kim", 0), reading)
    assert len(store.listing(engine)) == before + (not done.already)
    with engine.begin() as connection:
        kept = connection.scalar(select(func.count()).where(FIGURES.c.import_id == done.import_id))
    assert kept == len(reading.figures)


@given(st.binary(max_size=400))
def test_any_bytes(engine: Engine, data: bytes) -> None:
    check(data, engine)


@given(WITH_HEADER | TEXTS, ENCODINGS)
def test_any_cells_under_a_right_header(engine: Engine, text: str, encoding: str) -> None:
    check(text.encode(encoding, "replace"), engine)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.booleans(), st.lists(st.tuples(st.floats(0, 0.999), st.binary(min_size=1, max_size=3)), min_size=1, max_size=4)
)
def test_any_damage_to_a_workbook(engine: Engine, old: bool, damage: list[tuple[float, bytes]]) -> None:
    data = bytearray(xls("자료", ROWS) if old else workbook([list(row) for row in ROWS]))
    for where, put in damage:
        at = int(where * len(data))
        data[at : at + len(put)] = put
    check(bytes(data), engine)


LOT_ROWS = st.lists(st.lists(CELLS | st.sampled_from(["10100", "12", "0"]), max_size=7).map(",".join), max_size=8)


@given(LOT_ROWS)
def test_any_cells_of_lots_hours_and_wide_tables(rows: list[str]) -> None:
    body = "\n".join(rows)
    lots = Lots({("2911010100", -1, -1): (Share("충장동", 1),)})  # type: ignore[arg-type]  # 1 is a Fraction too
    reading_of(f"useYm,sigunguCd,bjdongCd,bun,ji,useQty\n{body}".encode(), terms("building-electricity", lots))
    columns = {"day": ["일자"], "time": ["시간"], "region": ["지역"], "quantity": ["사용량"]}
    reading_of(f"일자,시간,지역,사용량\n{body}".encode(), terms(columns=columns))
    reading_of(f"년월,시군구,사용량,,\n,,주택용,산업용,합계\n{body}".encode(), terms("kepco-contract-wide"))
    columns = {"year": ["년도"], "region": ["지역"]}
    reading_of(f"년도,지역,1월,2월,합계\n{body}".encode(), terms(wide="month", columns=columns))


def _suggested(data: bytes) -> Mapping:
    return suggest(files.parse(data, "전기.csv"))


@given(TEXTS)
def test_any_file_has_a_suggestion_or_a_problem(text: str) -> None:
    for data in (text.encode(), f"{HEADER}\n{text}".encode()):
        result_of(partial(_suggested, data))


@given(st.binary(max_size=200) | TEXTS.map(str.encode))
def test_any_mapping_or_table_of_lots_is_one_or_a_problem(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path: Path = save(tmp_path_factory.getbasetemp() / "lots.csv", data)
    for load_any in (partial(parse_mapping, data), partial(load, path)):
        result_of(load_any)
