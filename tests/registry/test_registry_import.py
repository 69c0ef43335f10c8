"""What is given to the registry: good files go in as they are, and every contradiction is refused by name."""

from pathlib import Path

import pytest

from cloud.registry.bulk import load_table, table_of
from cloud.registry.change import Registry
from cloud.registry.columns import ENTITIES
from cloud.registry.importing import import_parts, read_parts
from cloud.registry.looking import export_files, list_log, list_rows
from contract.problems import Problem
from tests.registry.city import FILES, HEADER, KIM, POWER, Meter, city, empty_registry, meters_csv, take

both = pytest.mark.usefixtures("each_database")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """The city without meters, for those that are refused."""
    registry = empty_registry(tmp_path_factory.mktemp("bare"))
    take(registry, **FILES)
    return registry


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """The city, for files that are refused."""
    return city(tmp_path_factory.mktemp("known"))


def content(registry: Registry) -> dict[str, list[dict[str, object]]]:
    """Everything that is registered."""
    with registry.engine.connect() as connection:
        return {name: load_table(connection, table_of(name)).to_pylist() for name in ENTITIES}


def test_the_columns_are_those_of_the_database() -> None:
    for name, entity in ENTITIES.items():
        table = table_of(name)
        assert {column.field for column in entity.columns} == set(table.columns.keys())
        assert [column.field for column in entity.keys] == [column.name for column in table.primary_key]
        for column in entity.columns:
            nullable = bool(table.columns[column.field].nullable)
            always = column.key or column.needed or bool(column.default) or column.kind in ("from", "to")
            assert nullable != always, f"{name}.{column.name}"


@both
def test_what_is_exported_can_be_imported_and_is_the_same(tmp_path: Path) -> None:
    meters = [
        Meter("main", removed="2026-06-01", serial='"A, ""1"""', multiplier="40"),
        Meter("main", installed="2026-06-01", serial="B", multiplier="1.5"),
        Meter("sub", parent="main", quantities="electricity_import_kwh electricity_power_kw", building="b2"),
    ]
    first = city(tmp_path / "first", *meters)
    outage = "outage,from,to,gateway,utility,reason\no1,2026-02-01T01:30,2026-02-01T02:00,g1,water,공사\n"
    units = "building,unit,floor_m2\nb2,101동 1203호,84.97\n"
    geometry = '{"type":"Polygon","coordinates":[[[126,35],[127,35],[127,36],[126,35]]]}'
    boundary = 'region,geometry\n3,"' + geometry.replace('"', '""') + '"\n'
    take(first, capacities="meter,from,max_per_h,kind\nsub,,7.5,contract\n")
    take(first, outages=outage, units=units, boundaries=boundary, predecessors="region,predecessor,weight\n4,3,0.25\n")
    export_files(first, tmp_path / "out", list(ENTITIES))
    second = empty_registry(tmp_path / "second")
    import_parts(second, read_parts([tmp_path / "out"]), KIM)
    assert content(second) == content(first)
    assert all(content(first).values())
    again = import_parts(second, read_parts([tmp_path / "out"]), KIM)
    assert again.act == 0


def test_cp949_and_a_bom_are_read(tmp_path: Path) -> None:
    registry = city(tmp_path)
    take(registry, "cp949", sites="site,name_ko\nschool,빛고을초\n")
    take(registry, "utf-8-sig", gateways="gateway,area\ng3,main\n")
    assert list_rows(registry, "sites", {"site": "school"})[0]["name_ko"] == "빛고을초"
    assert [row["gateway"] for row in list_rows(registry, "gateways")] == ["g1", "g2", "g3"]


@both
def test_a_column_left_out_keeps_what_there_is_and_an_empty_cell_clears_it(tmp_path: Path) -> None:
    registry = city(tmp_path)
    outcome = take(registry, buildings="building,floor_m2\nb1,120\n", sites="site,name_ko,name_en\nhall,구청,\n")
    assert outcome.changed == {"buildings": 1, "sites": 1}
    (building,) = list_rows(registry, "buildings", {"building": "b1"})
    assert (building["floor_m2"], building["use"], building["region"]) == (120, 14, 3)
    (site,) = list_rows(registry, "sites")
    assert (site["name_en"], site["kind"]) == (None, "public-building")


def test_new_gateways_may_stand_in_the_meters_file_with_their_area(tmp_path: Path) -> None:
    registry = city(tmp_path)
    header = "meter,utility,quantities,gateway,area\n"
    take(registry, meters=header + "m8,water,water_volume_m3,g8,main\nm9,water,water_volume_m3,g8,main\n")
    assert list_rows(registry, "gateways", {"gateway": "g8"}) == [{"gateway": "g8", "area": "main", "site": None}]
    with pytest.raises(Problem, match=r"meters.csv:2: gateway 'g8': in the areas 'main' and 'west'|'west' and 'main'"):
        take(registry, meters=header + "m8,water,water_volume_m3,g8,west\n")


def test_rows_of_one_device_say_the_same_of_it(bare: Registry) -> None:
    header = "meter,utility,quantities,from,to,serial"
    rows = f"m1,electricity,{POWER},,2026-06-01,A\nm1,electricity,{POWER},2026-06-01,,B\n"
    with pytest.raises(Problem, match=r"meters.csv:3: meter 'm1': its rows say different things of serial"):
        take(bare, meters=f"{header}\n{rows}")


M1 = Meter("m1")
OLD, NEW = Meter("m1", removed="2026-06-01"), Meter("m1", installed="2026-05-01")
GAS = Meter("m2", utility="gas", quantities="gas_volume_m3")


@pytest.mark.parametrize(
    ("meters", "complaint"),
    [
        ((M1, M1), r"meters.csv:3: meter 'm1': two rows of one name at one time: overlapping stretches"),
        ((OLD, NEW), r"meters.csv:3: meter 'm1': .*overlapping stretches, one begins at 2026-05-01T00:00:00\+09:00"),
        (
            (M1._replace(till="2026-06-01"), M1._replace(start="2026-05-01", gateway="g2")),
            r"meters.csv:3: meter 'm1': two rows of one name at one time",
        ),
        ((OLD, Meter("m1", installed="2026-06-01", building="b2")), "meters.csv:3: meter 'm1': .*things of building"),
        ((M1._replace(parent="m1"),), "meters.csv:2: meter 'm1': expected another meter as its parent"),
        (
            (M1._replace(parent="m2"), Meter("m2", parent="m3"), Meter("m3", parent="m1"), Meter("m4", parent="m3")),
            "meters.csv:2: meter 'm1': a cycle.*:3: meter 'm2': a cycle.*:4: meter 'm3': a cycle.*'m1' hangs[^;]*$",
        ),
        ((M1, GAS._replace(parent="m1")), r"meters.csv:3: meter 'm2' \(gas\): its parent 'm1' meters electricity"),
        ((M1._replace(parent="m7"),), "meters.csv:2: meters 'm1': unknown parent 'm7'"),
        ((M1._replace(building="b7"),), "meters.csv:2: meters 'm1': unknown building 'b7'"),
        (
            (M1._replace(gateway="g7"),),
            "meters.csv:2: assignments 'm1@2026-01-01T00:00:00.09:00': unknown gateway 'g7'",
        ),
        ((M1._replace(quantities="power"),), "meters.csv:2: quantities 'power': expected names of quantities"),
        ((M1._replace(quantities="gas_volume_m3"),), "meters.csv:2: meter 'm1': .*'gas_volume_m3' does not fit .*elec"),
        ((M1._replace(removed="2025-12-31"),), "meters.csv:2: meter 'm1': expected a name, and an end '2025-12-31"),
        ((M1._replace(utility=""),), "meters.csv:2: meters 'm1': expected a value of utility"),
        ((M1._replace(meter="M1"),), "meters.csv:2: meter 'M1': expected 1 to 64 of a-z"),
        ((M1._replace(installed="01/02/2026"),), "meters.csv:2: installed '01/02/2026': expected a time"),
        ((M1._replace(installed="20260101"),), "meters.csv:2: installed '20260101': expected a time"),
        ((M1._replace(installed="2026-02-30"),), "meters.csv:2: installed '2026-02-30': expected a time"),
        ((M1._replace(multiplier="nan"),), "meters.csv:2: multiplier 'nan': expected a number"),
        ((M1._replace(multiplier="0"),), "meters.csv:2: multiplier '0': expected a number"),
    ],
)
def test_meters_that_contradict_are_refused(bare: Registry, meters: tuple[Meter, ...], complaint: str) -> None:
    with pytest.raises(Problem, match=complaint):
        take(bare, meters=meters_csv(*meters))
    assert {row["act"] for row in list_log(bare)} == {1}
    assert list_rows(bare, "meters") == []


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"buildings": "building,region\nb9,9\n"}, r"buildings.csv:2: buildings 'b9@': unknown region '9'"),
        ({"buildings": "building,region\nb9,2\n"}, "building 'b9': region 2 is a district; expected a dong"),
        ({"buildings": "building,from,to\nb1,2026-02-01,2026-03-01\n"}, "building 'b1': overlapping stretches"),
        ({"buildings": "building,use\nb9,30\n"}, r"buildings.csv:2: use '30': expected a whole number \(1~29\)"),
        ({"buildings": "building,from,to\nb9,2026-02-01,2026-01-01\n"}, "ends before it begins"),
        ({"buildings": "building\nb9\nb9\n"}, "buildings.csv:3: buildings 'b9@': given twice, before at .*csv:2"),
        ({"sites": "site,name_ko,kind\ns,가,castle\n"}, "sites.csv:2: kind 'castle': expected one of"),
        ({"sites": "site,name\ns,가\n"}, "sites.csv:1: column 'name' is unknown"),
        ({"sites": "name_ko\n가\n"}, "sites.csv:1: column 'site' is needed"),
        ({"sites": "site,name_ko\ns\n"}, "sites.csv:2: expected 2 columns, found 1"),
        ({"sites": ""}, "sites.csv: expected CSV"),
        ({"regions": "region,level,parent,name_ko\n5,dong,4,가\n"}, "region 5 .dong.: expected a parent of a higher"),
        (
            {"predecessors": "region,predecessor,weight\n3,4,0.6\n2,4,0.5\n"},
            "predecessors.csv:3: region 4: its shares add up to 1.1",
        ),
        (
            {"outages": "outage,from,to,meter,site,reason\no,2026-01-01,2026-01-02,m1,hall,가\n"},
            "outage 'o': expected exactly one of meter, gateway, site, region",
        ),
        ({"outages": "outage,gateway,reason\no,g7,가\n"}, "outages 'o': unknown gateway 'g7'"),
        (
            {"assignments": "meter,from,to,gateway\nm1,2026-05-01,,g2\n"},
            r"assignments.csv:2: meter 'm1': at 2026-05-01T00:00:00\+09:00 it is at gateways 'g1' and 'g2'",
        ),
        ({"lives": "meter,installed\nm1,2026-05-01\n"}, "lives.csv:2: devices of meter 'm1': overlapping stretches"),
        ({"lives": "meter,installed\nm7,2026-05-01\n"}, "lives.csv:2: lives 'm7@2026.*': unknown meter 'm7'"),
        (
            {"gateways": "gateway,area\ng2,west\n", "meters": meters_csv(Meter("m2", gateway="g2"))},
            "dong 3 .충장동.: split",
        ),
        ({"palaces": "palace\np\n"}, "palaces.csv: expected a file named one of regions.csv"),
    ],
)
def test_other_files_that_contradict_are_refused(known: Registry, files: dict[str, str], complaint: str) -> None:
    before = content(known)
    with pytest.raises(Problem, match=complaint):
        take(known, **files)
    assert content(known) == before


def test_an_area_may_take_a_dong_over_but_not_share_it(tmp_path: Path) -> None:
    registry = city(tmp_path, M1._replace(till="2026-06-01"), M1._replace(start="2026-06-01", gateway="g2"))
    take(registry, gateways="gateway,area\ng2,west\n")
    with pytest.raises(
        Problem, match=r"assignments.csv:2: dong 3 \(충장동\): split between the areas 'main' and 'west'"
    ):
        take(registry, meters="meter,utility,building,quantities\nm2,electricity,b1,electricity_import_kwh\n",
             assignments="meter,from,gateway\nm2,2026-08-31T23:59,g1\n")  # fmt: skip


def test_nothing_is_taken_of_files_of_which_one_is_bad(tmp_path: Path) -> None:
    registry = city(tmp_path)
    with pytest.raises(Problem, match="unknown building 'b9'"):
        take(registry, sites="site,name_ko\ns2,가\n", meters=meters_csv(Meter("m2", building="b9")))
    assert [row["site"] for row in list_rows(registry, "sites")] == ["hall"]


def test_blank_lines_shift_no_line_numbers(tmp_path: Path) -> None:
    registry = city(tmp_path)
    with pytest.raises(Problem, match=r"meters.csv:4: meters 'm3': unknown building 'b9'"):
        take(registry, meters=f"{HEADER}\n\n,,,,,,,,,,,\n" + meters_csv(Meter("m3", building="b9")).split("\n")[1])


def test_a_refused_cell_is_shown_short_and_on_one_line(bare: Registry) -> None:
    with pytest.raises(Problem) as refused:
        take(bare, sites='site,name_ko\ns1,"a\nb"\n' + f"s2,{'x' * 500}\n")
    assert "\n" not in str(refused.value)
    assert "name_ko 'a b'" in str(refused.value)
    assert f"name_ko '{'x' * 60}…'" in str(refused.value)


def test_a_file_of_a_header_alone_changes_nothing(bare: Registry) -> None:
    assert take(bare, meters=f"{HEADER}\n").act == 0
