"""Single changes, what the log says of them, and databases of other versions."""

from pathlib import Path

import pytest
from sqlalchemy import text

from cloud.registry import book, snapshot
from cloud.registry.cells import show_time
from cloud.registry.change import Author, Outcome, Registry, publish
from cloud.registry.database import init_database, open_database, url_of
from cloud.registry.editing import Setting, add_outage, remove_row, set_field
from cloud.registry.looking import get_row, list_log, list_rows
from cloud.registry.opening import init_registry, open_registry
from contract.problems import Problem
from tests.registry.city import JAN_S, KIM, MAR_S, Meter, city, empty_registry, take

LEE = Author("lee", "moved", "set")
both = pytest.mark.usefixtures("each_database")
MARCH = "2026-03-01T00:00:00+09:00"


def change(registry: Registry, entity: str, key: str, field: str, value: str, since: str = "") -> Outcome:
    """One field, by Lee."""
    return set_field(registry, Setting(entity, key, field, value, since), LEE)


def log(registry: Registry, entity: str = "", key: str = "", act: int = 0) -> list[tuple[object, ...]]:
    """(entity, key, field, before, after), of one act where it is told."""
    rows = [row for row in list_log(registry, entity, key) if act in (0, row["act"])]
    return [tuple(row[name] for name in ("entity", "key", "field", "before", "after")) for row in rows]


def test_the_log_says_who_when_why_from_what_to_what(tmp_path: Path) -> None:
    registry = city(tmp_path)
    change(registry, "buildings", "b1", "use", "15")
    row = list_log(registry)[0]
    assert {name: row[name] for name in row if name != "at_s"} == {
        "by": "lee", "reason": "moved", "source": "set", "act": 2, "entity": "buildings", "key": "b1@",
        "field": "use", "before": "14", "after": "15",
    }  # fmt: skip
    assert str(row["at_s"]).endswith("+09:00")


@both
def test_a_file_logs_the_fields_that_changed_and_the_rows_that_came(tmp_path: Path) -> None:
    registry = city(tmp_path)
    take(
        registry,
        sites="site,name_ko,live\nhall,구청,false\nschool,학교,true\n",
        multipliers="meter,from,multiplier\nm1,2026-03-01,40\n",
        meters="meter,utility,quantities,gateway\nm2,water,water_volume_m3,g1\n",
    )
    assert log(registry, act=2) == [
        ("meters", "m2", "", None, "utility=water role=main quantities=water_volume_m3"),
        ("multipliers", f"m1@{MARCH}", "", None, "multiplier=40.0"),
        ("sites", "hall", "live", "true", "false"),
        ("sites", "school", "", None, "name_ko=학교 kind=other live=true"),
    ]
    assert log(registry, "multipliers", "m1") == log(registry, act=2)[1:2]


@both
def test_a_meters_dated_facts_are_set_from_a_date_on(tmp_path: Path) -> None:
    registry = city(tmp_path)
    change(registry, "meters", "m1", "multiplier", "40", "2026-03-01")
    change(registry, "meters", "m1", "gateway", "g2", "2026-03-01")
    change(registry, "buildings", "b1", "region", "4", "2026-03-01")
    spans = snapshot.load(registry.snapshot).spans.to_pylist()
    assert [(row["from_s"], row["gateway"], row["region"], row["multiplier"]) for row in spans] == [
        (JAN_S, "g1", 3, 1.0),
        (MAR_S, "g2", 4, 40.0),
    ]
    assert log(registry, act=3) == [
        ("assignments", f"m1@{show_time(JAN_S)}", "to", "", MARCH),
        ("assignments", f"m1@{MARCH}", "", None, "to= gateway=g2"),
    ]
    change(registry, "meters", "m1", "gateway", "g1", "2026-03-01")
    assert log(registry, act=5) == [("assignments", f"m1@{MARCH}", "gateway", "g2", "g1")]
    assert change(registry, "meters", "m1", "gateway", "g1", "2026-03-01").act == 0


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        (Setting("sites", "s9", "live", "true"), "sites 's9': there is none"),
        (Setting("sites", "hall", "live", "maybe"), "live 'maybe': expected true or false"),
        (Setting("sites", "hall", "live", "true", "2026-01-01"), "sites: has no dates"),
        (Setting("sites", "hall", "name_ko", ""), "sites 'hall': expected a value of name_ko"),
        (Setting("meters", "m1", "gateway", "g2", "2025-01-01"), "no stretch of time at 2025-01-01"),
        (Setting("meters", "m1", "gateway", "g9", "2026-03-01"), "unknown gateway 'g9'"),
        (Setting("lives", "m1@soon", "serial", "A"), "installed 'soon': expected a time"),
        (Setting("towers", "t", "height", "1"), "'towers': unknown entity"),
    ],
)
def test_what_cannot_be_set_is_refused(known: Registry, setting: Setting, complaint: str) -> None:
    with pytest.raises(Problem, match=complaint):
        set_field(known, setting, LEE)
    assert {row["act"] for row in list_log(known)} == {1}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """The city, for changes that are refused."""
    return city(tmp_path_factory.mktemp("known"))


def test_nobody_changes_anything(known: Registry) -> None:
    with pytest.raises(Problem, match="expected who makes the change"):
        set_field(known, Setting("sites", "hall", "live", "false"), Author(" "))


@both
def test_with_a_meter_goes_what_is_dated_about_it_and_the_log_keeps_it(tmp_path: Path) -> None:
    registry = city(tmp_path, Meter("m1", multiplier="40", serial="A"), Meter("m2"))
    outcome = remove_row(registry, "meters", "m1", LEE)
    assert outcome.removed == {"meters": 1, "lives": 1, "multipliers": 1, "assignments": 1}
    assert get_row(registry, "meters", "m1") is None
    assert [row["meter"] for row in list_rows(registry, "lives")] == ["m2"]
    start = show_time(JAN_S)
    assert ("lives", f"m1@{start}", "", "removed= serial=A", None) in log(registry, act=2)
    assert ("multipliers", f"m1@{start}", "", "multiplier=40.0", None) in log(registry, act=2)


def test_what_others_hang_on_cannot_be_removed(tmp_path: Path) -> None:
    registry = city(tmp_path, Meter("m1"), Meter("m2", parent="m1"))
    with pytest.raises(Problem, match="meters 'm2': unknown parent 'm1'"):
        remove_row(registry, "meters", "m1", LEE)
    with pytest.raises(Problem, match="unknown gateway 'g1'"):
        remove_row(registry, "gateways", "g1", LEE)


def test_an_outage_without_a_name_gets_one(tmp_path: Path) -> None:
    registry = city(tmp_path)
    cells = {"from": "2026-03-01", "to": "2026-03-01T02:00", "region": "3", "utility": "water", "reason": "단수"}
    add_outage(registry, cells, KIM)
    (row,) = list_rows(registry, "outages")
    assert str(row["outage"]).startswith("o-")
    (shown,) = snapshot.load(registry.snapshot).outages.to_pylist()
    assert (shown["from_s"], shown["to_s"], shown["region"], shown["utility"]) == (MAR_S, MAR_S + 7200, 3, 2)
    with pytest.raises(Problem, match="ends before it begins"):
        add_outage(registry, cells | {"to": "2026-02-01"}, KIM)


def test_a_new_registry_has_the_regions_that_are_shipped(tmp_path: Path) -> None:
    registry = init_registry(tmp_path / "new" / "registry")
    dongs = [row for row in list_rows(registry, "regions", {"level": "dong"}, limit=500) if not row["valid_to"]]
    assert len(dongs) == 96
    assert list_rows(registry, "predecessors")
    assert snapshot.load(registry.snapshot).regions.num_rows == len(list_rows(registry, "regions", limit=500))
    assert init_registry(tmp_path / "new" / "registry").engine.url == registry.engine.url
    assert {row["act"] for row in list_log(registry)} == {1}


def test_a_database_of_another_program_is_refused_by_name(tmp_path: Path) -> None:
    registry = empty_registry(tmp_path)
    with registry.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '99'"))
    for attempt in (init_database, open_database):
        with pytest.raises(Problem, match=r"registry.sqlite: made by a newer program \(revision 99\)"):
            attempt(url_of(tmp_path))


def test_what_is_no_registry_is_named(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no such folder; run 'bitgoeul cloud registry init' first"):
        open_registry(tmp_path / "none")
    with pytest.raises(Problem, match="no registry of this version; run"):
        open_registry(tmp_path)
    (tmp_path / "registry.sqlite").write_text("something else, and long enough to be looked at" * 100)
    with pytest.raises(Problem, match=r"registry.sqlite: the database cannot be used: file is not a data"):
        open_registry(tmp_path)
    with pytest.raises(Problem, match="expected sqlite:////FOLDER/FILE or "):
        open_registry(tmp_path, "registry.db")


@both
def test_a_large_registry_is_kept_beside_its_database_until_something_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "LARGE", 1)
    registry = city(tmp_path, Meter("m1", serial="A", multiplier="40"), Meter("m2"))
    version = snapshot.version(registry.snapshot)
    (kept,) = (tmp_path / "kept").iterdir()
    with registry.engine.begin() as connection:  # behind the log's back, so that it shows what is read
        connection.execute(text("DELETE FROM meters WHERE meter = 'm2'"))
    assert publish(registry) == version
    change(registry, "meters", "m1", "role", "sub")
    assert not kept.exists()
    roles = [(row["meter"], row["role"]) for row in snapshot.load(registry.snapshot).spans.to_pylist()]
    assert roles == [("m1", 1), ("m2", 0)]
    (kept,) = (tmp_path / "kept").iterdir()
    (kept / "meters.parquet").write_bytes(b"torn")  # as after a power cut: the database has it all
    publish(registry)
    assert [row["meter"] for row in snapshot.load(registry.snapshot).spans.to_pylist()] == ["m1"]
