from __future__ import annotations

import configparser
from pathlib import Path

import pytest
import yaml

from chaosjc.lab import config
from chaosjc.lab.config import Ports, Secrets
from chaosjc.lab.layout import Lab

LAB = Lab("two", Path("/state/lab/two"), Path("/cache"))
PORTS, SECRETS = Ports(18780, 18781), Secrets(admin="a-secret", service="s-secret", user="u-secret")


def parsed() -> dict[str, configparser.RawConfigParser]:
    files: dict[str, configparser.RawConfigParser] = {}
    for name, text in config.render(LAB, PORTS, SECRETS).items():
        files[name] = configparser.RawConfigParser(strict=True)
        files[name].read_string(text)
    return files


def test_every_file_is_valid_and_each_section_stands_once() -> None:
    assert set(parsed()) == {
        "keystone.conf",
        "placement.conf",
        "glance-api.conf",
        "nova.conf",
        "neutron.conf",
        "octavia.conf",
    }


def test_every_path_is_the_labs_own() -> None:
    for name, file in parsed().items():
        for section in file.sections():
            for key, value in file.items(section):
                if "/" in value and "127.0.0.1" not in value and "transport" not in key:
                    assert "/state/lab/two/private" in value, (name, section, key, value)


def test_every_address_is_loopback_and_one_of_the_two_ports() -> None:
    for text in config.render(LAB, PORTS, SECRETS).values():
        for word in text.split():
            if word.startswith("http"):
                assert word.startswith(("http://127.0.0.1:18780/", "http://127.0.0.1:18781/"))
    assert {url.split("/")[2] for _, url in config.urls(PORTS).values()} == {"127.0.0.1:18780", "127.0.0.1:18781"}


def test_no_message_broker_and_our_drivers() -> None:
    files = parsed()
    assert files["nova.conf"]["DEFAULT"]["transport_url"] == "fake:///"
    assert files["nova.conf"]["DEFAULT"]["compute_driver"] == "compute_driver.NspawnDriver"
    assert files["nova.conf"]["lab"]["tag"] == files["neutron.conf"]["lab"]["tag"] == LAB.tag
    assert files["neutron.conf"]["ml2"]["mechanism_drivers"] == "chaosjc_lab"


def test_services_know_the_service_password_alone() -> None:
    text = "".join(config.render(LAB, PORTS, SECRETS).values())
    assert "s-secret" in text
    assert "a-secret" not in text
    assert "u-secret" not in text


def test_two_labs_differ_in_every_file() -> None:
    other = config.render(Lab("one", Path("/state/lab/one"), Path("/cache")), Ports(1, 2), SECRETS)
    for name, text in config.render(LAB, PORTS, SECRETS).items():
        assert text != other[name]
        assert "/state/lab/two" not in other[name]


def test_clouds_yaml_of_the_project_user() -> None:
    clouds = yaml.safe_load(config.clouds(LAB.cloud, PORTS, ("chaosjc", "chaosjc", "u-secret")))["clouds"]
    assert list(clouds) == ["chaosjc-two"]
    assert clouds["chaosjc-two"]["auth"] == {
        "auth_url": "http://127.0.0.1:18780/identity/v3",
        "project_name": "chaosjc",
        "project_domain_name": "Default",
        "username": "chaosjc",
        "user_domain_name": "Default",
        "password": "u-secret",
    }


@pytest.mark.parametrize("name", config.DATABASES)
def test_each_database_has_a_busy_timeout(name: str) -> None:
    assert config.connection(Path("/x"), name) == f"sqlite:////x/{name}.db?timeout=60"
