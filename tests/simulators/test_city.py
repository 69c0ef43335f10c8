"""The city's scales are the reference's, its registers never fall, and what hangs behind a main is never more."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from cloud.registry import snapshot
from cloud.registry.change import Author
from cloud.registry.importing import import_parts, read_parts
from cloud.registry.opening import init_registry
from contract.problems import UsageProblem
from simulators.city import EXPORT, FULL_METERS, GAS, HEAT, IMPORT, PRODUCTION, WATER, City, registers
from simulators.city_build import build
from simulators.city_plan import apportion, dongs
from simulators.city_registry import snapshot_tables, write_csvs
from simulators.shapes import EPOCH_S

METERS = 120_000
YEAR_S, DAY_S = 365 * 86_400, 86_400
MAIN, SUB, MADE = 0, 1, 2


@pytest.fixture(scope="module")
def city() -> City:
    return build(METERS, 200)


@pytest.fixture(scope="module")
def year(city: City) -> npt.NDArray[np.float64]:
    """What each series took in its first year, kWh or m3."""
    shown = registers(city, EPOCH_S + YEAR_S) - registers(city, EPOCH_S)
    return shown * city.meters.multiplier[city.series.meter] / 1000


def of(city: City, quantity: int, *roles: int) -> npt.NDArray[np.bool_]:
    found = (city.series.quantity == quantity) & np.isin(city.meters.role[city.series.meter], roles)
    return np.asarray(found, dtype=np.bool_)


def test_exactly_so_many_meters_stand_in_96_dongs(city: City) -> None:
    assert len(city.meters.site) == METERS
    assert city.gateways == pytest.approx(200, abs=5)
    assert len(dongs()) == 96
    assert len(np.unique(city.regions)) == 96
    assert set(np.unique(city.uses)) == set(range(1, 30))


def test_totals_are_those_of_the_city(city: City, year: npt.NDArray[np.float64]) -> None:
    whole = FULL_METERS / METERS
    used = (
        year[of(city, IMPORT, MAIN)].sum() + year[of(city, PRODUCTION, MADE)].sum() - year[of(city, EXPORT, MAIN)].sum()
    )
    assert used * whole == pytest.approx(8.97e9, rel=0.03)
    assert year[of(city, GAS, MAIN)].sum() * whole == pytest.approx(0.55e9, rel=0.03)
    assert year[of(city, WATER, MAIN)].sum() / 365 * whole == pytest.approx(490_000, rel=0.03)
    # 880 blocks of 65 homes, 6.3 MWh each
    assert year[of(city, HEAT, SUB)].sum() * whole == pytest.approx(3.6e8, rel=0.1)


def test_homes_take_243_kwh_a_month_and_are_split_as_the_districts_are(
    city: City, year: npt.NDArray[np.float64]
) -> None:
    use = city.uses[city.series.meter]
    homes = of(city, IMPORT, SUB) | (of(city, IMPORT, MAIN) & (use == 1))
    assert homes.sum() * FULL_METERS / METERS == pytest.approx(650_000, rel=0.02)
    assert year[homes].mean() / 12 == pytest.approx(243, rel=0.02)
    factories = of(city, IMPORT, MAIN) & (use == 17)
    district = np.array([dong.district for dong in city.dongs])[city.sites.dong[city.meters.site]][city.series.meter]
    for name, percent in {"동구": 7.5, "서구": 22.8, "남구": 15.0, "북구": 33.5, "광산구": 21.2}.items():
        share = year[homes & (district == name)].sum() / year[homes].sum()
        assert share * 100 == pytest.approx(percent, abs=1.5), name
    north = year[factories & np.isin(district, ["북구", "광산구"])].sum() / year[factories].sum()
    assert north == pytest.approx(0.905, abs=0.05)


def test_heat_is_laid_about_suwan_only(city: City) -> None:
    heated = np.unique(city.sites.dong[city.meters.site[city.meters.utility == 3]])
    names = {city.dongs[at].name for at in heated}
    assert names == {"수완동", "신가동", "신창동", "하남동", "첨단1동", "첨단2동"}


def test_a_gateway_hangs_in_one_dong_and_holds_whole_premises(city: City) -> None:
    gateway = city.meters.gateway
    assert (np.diff(gateway) >= 0).all()
    for column in (city.regions, gateway):
        first = np.unique(city.meters.site, return_index=True)[1]
        assert (column == column[first][city.meters.site]).all()
    pairs = np.unique(np.stack([gateway, city.regions]), axis=1)
    assert pairs.shape[1] == city.gateways


def test_registers_never_fall_and_stay_within_their_digits(city: City) -> None:
    before = registers(city, EPOCH_S + 200 * DAY_S)
    for minute in range(1, 100):
        after = registers(city, EPOCH_S + 200 * DAY_S + 60 * minute)
        assert (after >= before).all()
        before = after
    last = registers(city, EPOCH_S + 3 * YEAR_S)
    assert (last >= before).all()
    assert (last < 1000 * 10 ** city.meters.digits[city.series.meter].astype(np.int64)).all()


def test_some_registers_are_the_same_as_all(city: City) -> None:
    chance = np.random.default_rng(5)
    some = chance.choice(len(city.series.meter), 5000, replace=False)
    some = np.concatenate([some, city.mains[:50]])
    for time_s in (EPOCH_S - 5, EPOCH_S, EPOCH_S + 123_456_7, EPOCH_S + YEAR_S + 61):
        assert (registers(city, time_s, some) == registers(city, time_s)[some]).all()


def test_what_hangs_behind_a_main_is_never_more_than_it_takes(city: City) -> None:
    parents = city.meters.parent
    subs = np.flatnonzero(city.meters.role == SUB)
    assert (city.meters.role[parents[subs]] == MAIN).all()
    assert (city.meters.utility[parents[subs]] == city.meters.utility[subs]).all()
    assert (city.meters.site[parents[subs]] == city.meters.site[subs]).all()
    series_of = np.flatnonzero(city.series.quantity != EXPORT)  # one for each meter
    for start_s in (EPOCH_S + 60 * DAY_S + 3 * 3600, EPOCH_S + 200 * DAY_S + 20 * 3600):
        taken = registers(city, start_s + 900) - registers(city, start_s)
        taken = (taken * city.meters.multiplier[city.series.meter])[series_of]
        behind = np.bincount(parents[subs], weights=taken[subs], minlength=METERS)
        mains = np.unique(parents[subs])
        assert len(mains) > 500
        assert (behind[mains] <= taken[mains]).all()


def test_an_array_gives_by_day_what_the_house_does_not_take(city: City) -> None:
    exports = np.flatnonzero(city.series.quantity == EXPORT)
    # the main's two quantities, then the meter of the array behind it
    assert (city.series.quantity[exports + 1] == IMPORT).all()
    assert (city.series.quantity[exports + 2] == PRODUCTION).all()
    assert (city.meters.parent[city.series.meter[exports + 2]] == city.series.meter[exports]).all()
    noon_s = EPOCH_S + 120 * DAY_S + 12 * 3600
    for start_s, by_day in ((noon_s, True), (noon_s + 12 * 3600, False)):
        taken = registers(city, start_s + 3600) - registers(city, start_s)
        taken = taken * city.meters.multiplier[city.series.meter]
        gave, took, made = taken[exports], taken[exports + 1], taken[exports + 2]
        assert (made > 0).any() == by_day
        assert (gave > 0).any() == by_day
        assert (took + made >= gave).all()


def test_the_same_seed_gives_the_same_city() -> None:
    one, same, other = build(5000, 100), build(5000, 100), build(5000, 100, seed=2)
    for column in ("meter", "profile", "scale", "first", "children"):
        assert np.array_equal(getattr(one.series, column), getattr(same.series, column))
    assert not np.array_equal(one.series.scale, other.series.scale)


def test_the_snapshot_says_what_the_city_is(city: City, tmp_path: Path) -> None:
    tables = snapshot_tables(city)
    snapshot.write(tmp_path, tables)
    spans = snapshot.load(tmp_path).spans
    assert spans.num_rows == len(city.series.meter)
    names = [spans.column(name).to_pylist() for name in ("gateway", "meter", "quantity")]
    sortable = list(zip(*names, strict=True))
    assert sortable == sorted(sortable)
    assert len(set(sortable)) == len(sortable)
    live = spans.filter(spans.column("live"))
    assert 8 <= live.num_rows <= 40  # five sites, of a twentieth of the city
    assert set(live.column("role").to_pylist()) <= {MAIN, MADE}
    regions = {row["region"]: row for row in tables["regions"].to_pylist()}
    assert regions[192]["name_ko"] == "수완동"
    assert regions[178]["valid_from_s"] == 1_704_034_800  # 2024-01-01 00:00 in Seoul
    assert set(spans.column("region").to_pylist()) <= set(regions)


def test_a_registry_filled_from_the_files_says_the_same(tmp_path: Path) -> None:
    small = build(2000, 96)
    write_csvs(small, tmp_path / "csv")
    registry = init_registry(tmp_path / "registry")
    import_parts(registry, read_parts([tmp_path / "csv"]), Author("tests"))
    tables = snapshot_tables(small)
    found = snapshot.load(tmp_path / "registry" / "snapshot")
    for name in ("spans", "sites", "predecessors"):
        assert getattr(found, name).to_pylist() == tables[name].cast(snapshot.SCHEMAS[name]).to_pylist(), name


def test_apportioning_leaves_nothing_over() -> None:
    assert apportion(10, np.array([0.52, 0.26, 0.22])).tolist() == [5, 3, 2]
    assert apportion(0, np.array([0.5, 0.5])).tolist() == [0, 0]
    assert apportion(7, np.full(3, 1 / 3)).sum() == 7


def test_a_city_of_no_size_is_refused() -> None:
    with pytest.raises(UsageProblem, match="--meters 10: expected 2000"):
        build(10)
    with pytest.raises(UsageProblem, match="--gateways"):
        build(5000, 20_000)
