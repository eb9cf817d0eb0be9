"""What is a secret by what stands before it, and what only looks like one."""

from __future__ import annotations

import pytest

from chaosjc.journal import clear

SCRIPTS = [
    ("curl -H 'Authorization: Bearer abc' http://hub", "Authorization"),
    ("curl -HX-Auth:abc http://hub", "X-Auth"),
    ("wget --header='Authorization: Basic YWJj' http://hub", "Authorization"),
    ("curl -H 'Cookie: session=abc' http://hub", "Cookie"),
    ("curl -H 'PRIVATE-TOKEN: abc' http://hub", "PRIVATE-TOKEN"),
    ("curl http://ada:abc@hub/", clear.LOGIN),
    ("curl -u ada:abc http://hub", "curl's login"),
    ("curl 'http://hub/api?a=1&access_token=abc'", "access_token"),
    ("curl 'http://swift/x?temp_url_sig=abc'", "temp_url_sig"),
    ("""curl -d '{"user": "ada", "password": "abc"}' http://hub""", "password"),
    ("""curl -d "{\\"password\\": \\"abc\\"}" http://hub""", "password"),
    ("env HUB_TOKEN=abc program", "HUB_TOKEN"),
    ("openstack --os-password abc server list", "os-password"),
    ("program --password=abc", "password"),
    ("program --client-secret abc", "client-secret"),
    ("kubectl create secret generic x --from-literal=api_key=abc", "api_key"),
]
NONE = [
    'curl -H "Authorization: Bearer $HUB_TOKEN" http://hub',
    'curl -H "Authorization: token $(cat /run/token)" http://hub',
    'curl -H "Cookie: session=$SESSION" http://hub',
    "curl -H 'Accept: text/plain' http://hub",
    "curl http://ada:$PASSWORD@hub/",
    "curl -u ada:$PASSWORD http://hub",
    'curl "http://hub/api?token=$HUB_TOKEN"',
    "curl 'http://hub/api?user=token'",
    "TOKEN=$(cat /run/token); PASSWORD=`cat x`; program",
    "program --password-file /run/password --token /run/token",
    "psql --no-password hub",
    "program --token --json",
    "docker run -u www-data:www-data image",
    "kubectl delete secret hub-tls",
    "kubectl get secret x -o jsonpath={.data.token}",
    'test -n "$HUB_TOKEN" && [ "$token" = x ]',
    "grep -q 'token: valid' log",
    "ssh -i /home/ada/key worker-001 true",
]


@pytest.mark.parametrize(("script", "what"), SCRIPTS)
def test_a_command_that_tells_one(script: str, what: str) -> None:
    assert clear.in_argv(["sh", "-c", script]) == what
    with pytest.raises(ValueError, match="would be kept in the journal") as error:
        clear.refuse_argv(("sh", "-c", script))
    assert "abc" not in str(error.value)


@pytest.mark.parametrize("script", NONE)
def test_one_that_tells_none(script: str) -> None:
    assert clear.in_argv(["sh", "-c", script]) == ""


def test_words_of_a_command_are_read_together() -> None:
    assert clear.in_argv(["program", "--token", "abc"]) == "token"
    assert clear.in_argv(["curl", "-H", "X-Auth-Token: abc"]) == "X-Auth-Token"
    assert clear.in_argv(["program", "--token", "/run/token"]) == ""


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://hub/api?token=abc", "token"),
        ("http://hub/api?X-Amz-Signature=abc", "X-Amz-Signature"),
        ("http://hub/api#access_token=abc", "access_token"),
        ("http://ada@hub/", clear.LOGIN),
        ("http://hub/api?token=", ""),
        ("http://hub/api?worker=$targets", ""),
        ("http://hub/token", ""),
    ],
)
def test_a_url(url: str, what: str) -> None:
    assert clear.in_url(url) == what


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("X-Auth", "abc", True),
        ("authorization", "abc", True),
        ("X-Api-Key", "abc", True),
        ("X-Thing", "Bearer abc", True),
        ("Idempotency-Key", "abc", False),
        ("Accept", "text/plain", False),
        ("X-Author", "ada", False),
    ],
)
def test_a_header(name: str, value: str, told: bool) -> None:
    assert clear.header(name, value) is told


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("hub_token", "abc", "hub_token"),
        ("hub", "http://hub/?token=abc", "token"),
        ("hub_token", "", ""),
        ("hub_token", "/run/token", ""),
        ("token_url", "https://login/token", ""),
        ("tokens", 3, ""),
        ("longest", "15s", ""),
        ("series", 'up{token="x"}', ""),
    ],
)
def test_a_variable(name: str, value: object, what: str) -> None:
    assert clear.variable(name, value) == what
