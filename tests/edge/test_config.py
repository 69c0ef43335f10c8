"""A site file is refused by name for all that can be seen to be wrong with it, at once and in two languages."""

from pathlib import Path

import pytest

from contract.problems import Problem
from edge.config import Broker, is_host, is_loopback, load_site, parse_broker

SITE = """
area = "main"
site = "hanam-1"
gateway = "hanam-1-gw"

[[line]]
name = "rs485-1"
port = "/dev/ttyUSB0"

[[line.meter]]
name = "hanam-1-e01"
model = "eastron_sdm630"
unit = 1

[[line.meter]]
name = "hanam-1-p01"
model = "advantech_adam6050"
unit = 2
channel = 1

[[line.meter]]
name = "hanam-1-p02"
model = "advantech_adam6050"
unit = 2
channel = 2

[[line]]
name = "tcp-1"
host = "192.0.2.7"

[[line.meter]]
name = "hanam-1-pv"
model = "sunspec_inverter"
unit = 255
quantities = ["electricity_production_kwh"]

[uplink]
brokers = ["mqtts://broker.example"]
username = "hanam-1-gw"
password_file = "password"

[outbox]
path = "outbox.db"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    password = tmp_path / "password"
    password.write_text("secret", "utf-8")
    password.chmod(0o600)
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "site.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_right_site_is_loaded_with_absolute_paths(folder: Path) -> None:
    site = load_site(written(folder, SITE))
    assert [line.name for line in site.line] == ["rs485-1", "tcp-1"]
    assert site.outbox.path == str(folder / "outbox.db")
    assert site.uplink.password_file == str(folder / "password")
    assert site.uplink.ca_file == ""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('area = "main"', 'area = "Main"', r"area 'Main'"),
        ('gateway = "hanam-1-gw"', 'gateway = "hanam/gw"', r"gateway 'hanam/gw'"),
        ('name = "hanam-1-p02"', 'name = "hanam-1-p01"', r"meter 'hanam-1-p01': the name is used more than once"),
        ('name = "tcp-1"', 'name = "rs485-1"', r"line 'rs485-1': the name is used more than once"),
        ('port = "/dev/ttyUSB0"', "", r"line 'rs485-1': expected either port or host"),
        ('port = "/dev/ttyUSB0"', 'port = "/dev/ttyUSB0"\nhost = "h"', r"expected either port or host"),
        ('port = "/dev/ttyUSB0"', 'host = "192.0.2.7"', r"lines rs485-1, tcp-1: share '192.0.2.7:502'"),
        ('port = "/dev/ttyUSB0"', 'port = "/dev/ttyUSB0"\nbaud = 9200', r"baud = 9200: expected one of 300"),
        ('port = "/dev/ttyUSB0"', 'port = "/dev/ttyUSB0"\nparity = "X"', r"line\[0\].parity: invalid enum value 'X'"),
        ('port = "/dev/ttyUSB0"', 'port = "/dev/ttyUSB0"\nbuad = 9600', r"line\[0\]: .*unknown field `buad`"),
        ('port = "/dev/ttyUSB0"', 'port = "/dev/ttyUSB0"\ntimeout_s = 0', r"timeout_s = 0"),
        ('host = "192.0.2.7"', 'host = "192.0.2.7"\ntcp_port = 70000', r"tcp_port = 70000: expected 1 to 65535"),
        ('host = "192.0.2.7"', 'host = "meters..example"', r"host = 'meters..example': expected a host name or an IP"),
        ('host = "192.0.2.7"', f'host = "{"a" * 64}.example"', r"a.example': expected a host name or an IP"),
        ('host = "192.0.2.7"', 'host = "192.0.2.7:502"', r"expected a host name .* the port goes into tcp_port"),
        ("unit = 1\n", "unit = 0\n", r"meter 'hanam-1-e01': unit = 0: expected 1 to 247"),
        ("unit = 1\n", "unit = 255\n", r"meter 'hanam-1-e01': unit = 255: expected 1 to 247"),
        ("unit = 1\n", "unit = 2\n", r"unit 2: shared by 'hanam-1-e01', 'hanam-1-p01', 'hanam-1-p02'"),
        ("channel = 2", "channel = 1", r"unit 2: shared by 'hanam-1-p01', 'hanam-1-p02'"),
        ("channel = 2", "channel = 13", r"channel = 13: expected 1 to 12"),
        ("eastron_sdm630", "eastron_sdm63", r"meter model 'eastron_sdm63': not known"),
        ("electricity_production_kwh", "heat_energy_kwh", r"'heat_energy_kwh': model sunspec_inverter has no such"),
        ('area = "main"', 'area = "main"\ntick_s = 0', r"tick_s = 0: expected 1 to 86400"),
        ("mqtts://broker.example", "http://broker.example", r"broker 'http://broker.example': expected mqtts"),
        ("mqtts://broker.example", "mqtt://broker.example", r"not encrypted; use mqtts"),
        ("mqtts://broker.example", "mqtts://u:p@broker.example", r"expected mqtts://host"),
        ('brokers = ["mqtts://broker.example"]', "brokers = []", r"brokers is empty"),
        ('username = "hanam-1-gw"', "", r"password_file needs a username"),
        ('password_file = "password"', 'password_file = "passwd"', r"password_file '.*passwd': no such file"),
        ('password_file = "password"', 'password_file = "password"\nkey_file = "password"', r"go together"),
        ('path = "outbox.db"', 'path = "nowhere/outbox.db"', r"the folder of path, '.*nowhere', is missing"),
        ('path = "outbox.db"', 'path = ""', r"outbox: path = '': expected the path of a file"),
        ('path = "outbox.db"', 'path = "."', r"outbox: path = '.*': expected the path of a file"),
        ('path = "outbox.db"', 'path = "outbox.db"\nsync_s = -1', r"outbox: sync_s = -1"),
        ('area = "main"', "area = ", r"site.toml: no TOML: .*line 2"),
        ('site = "hanam-1"', "", r"missing required field `site`"),
        ("unit = 1\n", 'unit = "1"\n', r"line\[0\].meter\[0\].unit: expected `int`, got `str`"),
        ('area = "main"', f"area = {'[' * 3000}", r"site.toml: no TOML"),
        ('area = "main"', f"area = {'1' * 5000}", r"site.toml: no TOML"),
        ('port = "/dev/ttyUSB0"', 'port = "a\\u0000b"', r"port = 'a\\x00b': no path"),
        ('port = "/dev/ttyUSB0"', f'port = "/dev/{"a" * 300}"\nbaud = 1', r"baud = 1"),
        ("eastron_sdm630", "a" * 300, r"meter model 'aaa.*': not known"),
        ("eastron_sdm630", "../meters/eastron_sdm630", r"meter model '../meters/eastron_sdm630': not known"),
        ('path = "outbox.db"', f'path = "{"a" * 300}/b"', r"the folder of path, '.*a', is missing"),
        ('password_file = "password"', f'password_file = "{"a" * 300}"', r"no such file"),
        *(("broker.example", bad, r"broker 'mqtts://.*': expected mqtts") for bad in ("a b", "a..b", "h:0", "h#x")),
    ],
)
def test_a_wrong_site_is_refused_by_name(folder: Path, old: str, new: str, says: str) -> None:
    assert old in SITE
    with pytest.raises(Problem, match=says) as caught:
        load_site(written(folder, SITE.replace(old, new, 1)))
    assert caught.value.text.ko != caught.value.text.en
    assert all("site.toml: " in line for line in caught.value.text.en.splitlines())


def test_an_inverter_and_its_meter_may_share_a_unit(folder: Path) -> None:
    grid = '[[line.meter]]\nname = "hanam-1-grid"\nmodel = "sunspec_meter"\nunit = 255\n\n[uplink]'
    site = SITE.replace("[uplink]", grid)
    load_site(written(folder, site))
    with pytest.raises(Problem, match="different SunSpec models"):
        load_site(written(folder, site.replace("sunspec_meter", "abb_b23")))


def test_all_complaints_are_told_at_once(folder: Path) -> None:
    text = SITE.replace("unit = 1\n", "unit = 0\n").replace("eastron_sdm630", "x").replace("main", "Main")
    with pytest.raises(Problem) as caught:
        load_site(written(folder, text))
    assert len(caught.value.text.en.splitlines()) == len(caught.value.text.ko.splitlines()) == 3


def test_a_password_that_others_can_read_is_refused(folder: Path) -> None:
    (folder / "password").chmod(0o640)
    with pytest.raises(Problem, match="others can read it"):
        load_site(written(folder, SITE))


def test_plain_mqtt_is_for_the_same_machine_or_by_permission(folder: Path) -> None:
    for broker in ("mqtt://127.0.0.1:1884", "mqtt://[::1]", "mqtt://localhost"):
        load_site(written(folder, SITE.replace("mqtts://broker.example", broker)))
    plain = SITE.replace("mqtts://broker.example", "mqtt://192.0.2.1")
    load_site(written(folder, plain.replace("[uplink]", "[uplink]\nallow_plain = true")))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"absent.toml: cannot be read"):
        load_site(tmp_path / "absent.toml")


def test_broker_urls_have_default_ports() -> None:
    assert parse_broker("mqtts://b.example") == Broker("mqtts", "b.example", 8883)
    assert parse_broker("mqtt://b.example:1884") == Broker("mqtt", "b.example", 1884)
    assert [is_loopback(host) for host in ("127.8.0.1", "::1", "localhost", "b.example")] == [True, True, True, False]


def test_hosts_are_names_or_addresses() -> None:
    for host in ("192.0.2.7", "fe80::1%eth0", "meters", "m-1.hanam_2.example.", "계량기.example"):
        assert is_host(host)
    for host in ("", "a b", "tcp://192.0.2.7", ".example", "a\0b", "[::1]"):
        assert not is_host(host)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("unit = 1\n", 'unit = "1"\n', "line[0].meter[0].unit: 정수여야 하는데 문자열입니다"),
        ('gateway = "hanam-1-gw"', "gateway = 1", "gateway: 문자열이어야 하는데 정수입니다"),
        (
            'host = "192.0.2.7"',
            'host = "192.0.2.7"\ntimeout_s = true',
            "line[1].timeout_s: 실수여야 하는데 참/거짓입니다",
        ),
        ('host = "192.0.2.7"', 'host = "192.0.2.7"\ntimeout_s = []', "line[1].timeout_s: 실수여야 하는데 배열입니다"),
        ('brokers = ["mqtts://broker.example"]', "brokers = 1.5", "uplink.brokers: 배열이어야 하는데 실수입니다"),
        ('area = "main"', 'area = "main"\ntick_s = 2020-01-01', "tick_s: 정수여야 하는데 날짜입니다"),
        ('area = "main"', "area = {}", "area: 문자열이어야 하는데 표입니다"),
        ('name = "tcp-1"', 'name = "tcp-1"\nstop_bits = 3', "line[1].stop_bits: 쓸 수 없는 값입니다: 3"),
    ],
)
def test_types_are_named_in_korean(folder: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(Problem) as caught:
        load_site(written(folder, SITE.replace(old, new, 1)))
    assert caught.value.text.ko.endswith(f"site.toml: {says}")
