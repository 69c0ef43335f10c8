"""A registry in PostgreSQL: what is bad about its address, who writes, and what a restart does."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import Engine

from cloud.imports import store
from cloud.imports import tables as imports
from cloud.pki.authority import create_authority
from cloud.pki.issuing import issue_server, write_pair
from cloud.portal.settings import Settings
from cloud.registry.bulk import delete_rows, insert_rows, load_table, schema_of, table_of, update_rows
from cloud.registry.database import init_database, open_database, writing
from cloud.registry.editing import Setting, set_field
from cloud.registry.looking import list_rows
from cloud.registry.opening import init_registry
from commands.__main__ import main
from contract.problems import Problem
from simulators.servers import Tls, free_port
from simulators.servers_pg import Postgresql, postgresql
from tests.imports.reading_files import kepco, read, terms
from tests.registry.city import KIM
from tests.registry.staff_client import client

TOKEN = "a-token-long-enough-for-it"


@pytest.fixture(scope="module")
def url(server: Postgresql, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A new registry's, with the regions that are shipped."""
    made = server.create("city")
    init_registry(tmp_path_factory.mktemp("city"), made, server.password_file).engine.dispose()
    return made


@pytest.fixture
def engine(server: Postgresql, url: str) -> Iterator[Engine]:
    opened = open_database(url, server.password_file)
    yield opened
    opened.dispose()


def test_what_is_wrong_with_an_address_is_one_line(server: Postgresql, url: str, tmp_path: Path) -> None:
    server.create("empty")
    server.create("newer")
    init_database(server.url("newer"), server.password_file).dispose()
    server.execute("UPDATE alembic_version SET version_num = '99'", "newer")
    wrong, open_to_all = tmp_path / "wrong", tmp_path / "open"
    wrong.touch(mode=0o600)
    wrong.write_text("guess\n", "utf-8")
    open_to_all.write_text("pw\n", "utf-8")
    away = url.replace(f":{server.port}", f":{free_port()}")
    for given, password_file, says in (
        (away, server.password_file, "the database cannot be reached: Connection refused"),
        (url, wrong, 'cannot be used: password authentication failed for user "bitgoeul"'),
        (url, None, "cannot be used: password authentication failed"),
        (url, open_to_all, "must be readable by its owner only"),
        (server.url("none"), server.password_file, 'cannot be used: database "none" does not exist'),
        (server.url("empty"), server.password_file, "/empty: no registry of this version; run 'bitgoeul cloud"),
        (server.url("newer"), server.password_file, "/newer: made by a newer program (revision 99)"),
        (url.replace("@", ":pw@"), None, "expected no password in its URL (use --database-password-file)"),
        (f"{url}?sslmode=verify-full", server.password_file, "Server refuses SSL"),
        (f"{url}?sslmode=prefer", server.password_file, "sslmode 'prefer': expected verify-full or disable"),
        (f"{url}?sslmode=verify-full&sslrootcert=/none", server.password_file, "sslrootcert /none: cannot be used"),
        ("mysql+pymysql://a@b/c", None, "expected sqlite:////FOLDER/FILE or postgresql+pg8000://USER@HOST/NAME"),
    ):
        with pytest.raises(Problem) as caught:
            open_database(given, password_file).dispose()
        said = caught.value.text
        assert says in said.en
        assert "\n" not in said.en + said.ko
        assert "pw" not in said.en + said.ko


def test_every_text_and_number_comes_back_as_it_went_in(engine: Engine) -> None:
    sites, buildings = table_of("sites"), table_of("buildings")
    names = ['say "hi", \\. and\ttab', "두 줄\r\n둘째", "", "\\N", " spaced ", "null"]
    rows = pa.table(
        {
            "site": pa.array([f"s{n}" for n in range(len(names))]),
            "name_ko": pa.array(names),
            "name_en": pa.array([None, *names[1:]]),
            "kind": pa.array(["other"] * len(names)),
            "region": pa.array([None, 2**62, *range(len(names) - 2)], pa.int64()),
            "live": pa.array([True, False] * (len(names) // 2)),
        },
        schema_of(sites),
    )
    floors = pa.table(
        {
            "building": pa.array(["b1", "b2"]),
            "from_s": pa.array([-(2**62), 0], pa.int64()),
            "to_s": pa.array([0, 1], pa.int64()),
            **{name: pa.nulls(2, pa.int64()) for name in ("region", "use")},
            **{name: pa.nulls(2, pa.string()) for name in ("site", "name_ko", "name_en")},
            "floor_m2": pa.array([0.1 + 0.2, 1e-320]),
        }
    ).select(schema_of(buildings).names)
    with writing(engine) as connection:
        insert_rows(connection, sites, rows)
        insert_rows(connection, buildings, floors)
        update_rows(connection, sites, rows.slice(4, 1).set_column(1, "name_ko", pa.array(["moved"])))
        delete_rows(connection, sites, rows.slice(5, 1))
    with engine.connect() as connection:
        assert load_table(connection, sites).sort_by("site").slice(0, 4).equals(rows.slice(0, 4))
        kept = load_table(connection, sites).sort_by("site").column("name_ko").to_pylist()
        assert load_table(connection, buildings).sort_by("building").equals(floors.cast(schema_of(buildings)))
    assert kept[4:] == ["moved"]


def test_one_at_a_time_writes_and_sees_what_the_one_before_wrote(engine: Engine) -> None:
    outages = table_of("outages")
    inside, seen = threading.Event(), list[int]()

    def second() -> None:
        inside.set()
        with writing(engine) as connection:
            seen.append(load_table(connection, outages).num_rows)

    other = threading.Thread(target=second)
    with writing(engine) as connection:
        other.start()
        assert inside.wait(60)
        other.join(0.3)
        assert other.is_alive()
        row: dict[str, object] = dict.fromkeys(schema_of(outages).names)
        row |= {"outage": "o1", "from_s": 0, "to_s": 1, "reason": "r"}
        insert_rows(connection, outages, pa.Table.from_pylist([row], schema_of(outages)))
        with engine.connect() as reader:  # who only looks waits for nobody
            assert load_table(reader, outages).num_rows == 0
    other.join(10)
    assert seen == [1]


def test_several_may_make_the_same_database_at_once(server: Postgresql) -> None:
    made, failed = server.create("raced"), list[BaseException]()

    def make() -> None:
        try:
            init_database(made, server.password_file).dispose()
            imports.open_database(made, server.password_file).dispose()
        except Problem as problem:
            failed.append(problem)

    threads = [threading.Thread(target=make) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failed == []


def test_imported_figures_are_kept_replaced_and_taken_back(server: Postgresql, url: str) -> None:
    engine = imports.open_database(url, server.password_file)
    for text in (kepco("202401,동구,주택용,3,7"), kepco(*(f"202401,동구,k{n},1,{n}" for n in range(1200)))):
        under = terms()
        origin = store.Origin("kepco", under.mapping, "f.csv", text, under.recipe, "kim", 1_700_000_000)
        store.keep(engine, origin, read(text))
    assert store.current(engine).num_rows == 1200
    assert store.undo(engine, None, "kim", 0).import_id == 2
    assert store.current(engine).column("quantity_milli").to_pylist() == [7_000]
    engine.dispose()


def test_the_commands_take_it_from_the_environment(
    server: Postgresql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    monkeypatch.setenv("BITGOEUL_DATABASE", server.create("by-variable"))
    monkeypatch.setenv("BITGOEUL_DATABASE_PASSWORD_FILE", str(server.password_file))
    folder = tmp_path / "registry"
    assert main(["cloud", "registry", "init", "--registry", str(folder)]) == 0
    assert main(["cloud", "registry", "list", "regions", "--registry", str(folder), "--where", "level=city"]) == 0
    assert main(["cloud", "import", "list", "--registry", str(folder)]) == 0
    assert "Gwangju" in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir() if path.suffix == ".sqlite") == []


def test_the_staffs_room_goes_on_after_the_server_was_killed(server: Postgresql, tmp_path: Path) -> None:
    made = server.create("staff")
    registry = init_registry(tmp_path, made, server.password_file)
    set_field(registry, Setting("regions", "1", "households", "600000"), KIM)
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN, "utf-8")
    settings = Settings(
        tmp_path, (), staff_token_file=token, database=made, database_password_file=server.password_file
    )
    staff = client(settings, TOKEN)
    assert staff.get("regions/1").json()["households"] == 600_000
    server.kill()
    answer = staff.get("regions/1")
    assert (answer.status_code, "cannot be reached" in answer.json()["detail"]) == (503, True)
    begun_meanwhile = client(settings, TOKEN)
    assert begun_meanwhile.get("regions/1").status_code == 503
    server.start()
    assert staff.get("regions/1").json()["households"] == 600_000
    assert begun_meanwhile.get("regions/1").json()["households"] == 600_000
    change = {"by": "kim", "reason": "counted", "field": "households", "value": "600001"}
    assert staff.ask("PATCH", "regions/1", json=change).status_code == 200
    assert list_rows(registry, "regions", {"level": "city"})[0]["households"] == 600_001


def test_a_server_is_known_by_its_certificate(tmp_path: Path) -> None:
    authority = create_authority(tmp_path / "pki", "a long passphrase", "Test")
    create_authority(tmp_path / "other", "a long passphrase", "Another")
    write_pair(issue_server(authority, ["localhost"]), tmp_path, "server")
    try:
        server = postgresql(tmp_path / "tls", tls=Tls(tmp_path / "server.crt", tmp_path / "server.key"))
    except Problem as problem:
        pytest.skip(problem.text.en)
    with server:
        url = server.create("secured").replace("127.0.0.1", "{}") + "?sslmode=verify-full&sslrootcert={}/ca.crt"
        init_database(url.format("localhost", tmp_path / "pki"), server.password_file).dispose()
        for host, folder in (("127.0.0.1", "pki"), ("localhost", "other")):
            with pytest.raises(Problem, match="certificate verify failed"):
                init_database(url.format(host, tmp_path / folder), server.password_file)
