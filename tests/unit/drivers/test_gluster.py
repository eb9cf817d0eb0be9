"""The client of a GlusterFS pool, on what GlusterFS 10.3 printed, and what it does when hosts are silent or busy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from chaosjc.drivers import command, gluster_xml
from chaosjc.drivers.command import Completed
from chaosjc.drivers.gluster import Gluster, Refused
from chaosjc.drivers.gluster_values import BrickEntries, BrickInfo, BrickStatus, VolumeInfo
from chaosjc.drivers.ssh import Ssh, Unreachable
from chaosjc.errors import CommandError, CommandTimeout, RemoteError
from tests.unit.drivers.gluster import Host, Pool, said
from tests.unit.fakes import FakeClock

OK = "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/></cliOutput>"
BRICKS = tuple(f"brick-00{n}:/data/homes" for n in (1, 2, 3))


# ------------------------------------------------------------------ what was printed


def test_peers() -> None:
    found = gluster_xml.peers(gluster_xml.document(said("peers-disconnected.xml")))
    assert [(each.host, each.connected, each.state) for each in found] == [
        ("brick-002", True, "Peer in Cluster"),
        ("brick-003", False, "Peer in Cluster"),
    ]
    assert len({each.uuid for each in found}) == 2


def test_volumes() -> None:
    found = {each.name: each for each in gluster_xml.volumes(gluster_xml.document(said("volumes.xml")))}
    assert {name: (each.status, each.replica, each.arbiter) for name, each in found.items()} == {
        "homes": ("Started", 3, 0),
        "pictures": ("Started", 3, 1),
        "plain": ("Created", 1, 0),
        "wide": ("Started", 3, 0),
    }
    assert tuple(each.id for each in found["homes"].bricks) == BRICKS
    assert found["homes"].options["network.ping-timeout"] == "5"
    assert [each.arbiter for each in found["pictures"].bricks] == [False, False, True]
    assert [[each.path for each in bricks] for bricks in found["wide"].replica_sets] == [
        ["/scratch/wide-a"] * 3,
        ["/scratch/wide-b"] * 3,
    ]
    assert [len(bricks) for bricks in found["plain"].replica_sets] == [1, 1]
    assert len({each.uuid for each in found["wide"].bricks}) == 3


@pytest.mark.parametrize(
    ("file", "online"),
    [
        ("bricks.xml", dict.fromkeys(BRICKS, True)),
        ("bricks-dead.xml", dict(zip(BRICKS, (True, True, False), strict=True))),
    ],
)
def test_bricks(file: str, online: dict[str, bool]) -> None:
    found = gluster_xml.bricks(gluster_xml.document(said(file)))
    assert {each.id: each.online for each in found} == online
    assert all((each.pid > 0) == (each.port > 0) == each.online for each in found)


def test_a_brick_of_a_machine_that_is_not_connected_is_absent() -> None:
    found = gluster_xml.bricks(gluster_xml.document(said("bricks-peer-gone.xml")))
    assert {each.host for each in found} == {"brick-001", "brick-002"}
    assert len(gluster_xml.bricks(gluster_xml.document(said("bricks-distributed.xml")))) == 6


@pytest.mark.parametrize(
    ("file", "telling"), [("clients.xml", 3), ("clients-dead.xml", 2), ("clients-peer-gone.xml", 2)]
)
def test_clients_are_addresses_by_brick(file: str, telling: int) -> None:
    found = gluster_xml.clients(gluster_xml.document(said(file)))
    assert tuple(each.id for each in found) == BRICKS[:telling]
    expected = {"10.68.0.95", "10.68.0.234", "10.68.0.231"}
    assert all(each.clients <= expected for each in found)
    if file == "clients.xml":
        assert all(each.clients == expected for each in found)


@pytest.mark.parametrize(
    ("file", "entries", "split_brain"),
    [
        ("heal.xml", (0, 0, 0), (0, 0, 0)),
        ("heal-dead.xml", (7, 7, None), (0, 0, None)),
        ("heal-pending.xml", (7, 7, 0), (0, 0, 0)),
        ("heal-split-brain.xml", (9, 9, 2), (1, 1, 1)),
    ],
)
def test_only_what_a_connected_brick_counts_is_a_number(
    file: str, entries: tuple[int | None, ...], split_brain: tuple[int | None, ...]
) -> None:
    answer = gluster_xml.document(said(file))
    assert tuple(each.entries for each in gluster_xml.entries(answer)) == entries
    assert tuple(each.entries for each in gluster_xml.split_brain(answer)) == split_brain
    assert tuple(each.id for each in gluster_xml.entries(answer)) == BRICKS


def test_a_dash_is_no_number() -> None:
    text = (
        "<cliOutput><healInfo><bricks><brick><name>a:/b</name><status>Transport endpoint is not connected</status>"
        "<numberOfEntries>-</numberOfEntries></brick></bricks></healInfo><opRet>0</opRet></cliOutput>"
    )
    assert gluster_xml.entries(gluster_xml.document(text)) == (BrickEntries("a", "/b", None),)


@pytest.mark.parametrize(
    ("line", "online", "pid", "pending"),
    [
        ("a /b 184 S 0", True, 184, 0),
        ("a /b 184 T 7", False, 184, 7),
        ("a /b 184 - 7", False, 184, 7),
        ("a /b - - -", False, 0, None),
    ],
)
def test_own_bricks(line: str, online: bool, pid: int, pending: int | None) -> None:
    assert gluster_xml.own_bricks(line + "\n") == (BrickStatus("a", "/b", online, pid, 0, pending),)
    assert gluster_xml.own_bricks("") == ()


def test_what_is_no_brick_is_an_error() -> None:
    with pytest.raises(RemoteError, match="not a brick: 'sh: 1: '"):
        gluster_xml.own_bricks("sh: 1: ")


def test_what_is_not_as_expected_is_an_error_not_a_guess() -> None:
    with pytest.raises(RemoteError, match="no XML: Usage"):
        gluster_xml.document("Usage: volume")
    broken = said("heal.xml").replace("<name>brick-001:/data/homes</name>", "")
    with pytest.raises(RemoteError, match="no name in brick"):
        gluster_xml.entries(gluster_xml.document(broken))


# ------------------------------------------------------------------ hosts


def pool(run: Pool, timeout: float = 9.0) -> Gluster:
    return Gluster(tuple(run.hosts), run, timeout=timeout, clock=run.clock)


def hosts(**answers: Host) -> Pool:
    return Pool(FakeClock(), {name.replace("_", "-"): answer for name, answer in answers.items()})


def test_the_first_host_that_answers_is_enough() -> None:
    run = hosts(b1=said("peers.xml"), b2=said("peers.xml"))
    assert len(pool(run).peers()) == 2
    (asked,) = run.asked
    assert asked == (
        "b1",
        ("timeout", "-k", "1", "4.5", "gluster", "--mode=script", "--xml", "--timeout=4", "peer", "status"),
    )


def silent(host: str) -> Exception:
    return Unreachable(host, "no route", Path("config"))


@pytest.mark.parametrize(
    "silence",
    [
        silent("b1"),
        CommandTimeout("killed"),
        CommandError("cannot start"),
        Completed((), 124, "", "", 1),
        Completed((), 1, "Connection failed. Please check if gluster daemon is operational.\n", "", 1),
    ],
)
def test_a_question_goes_on_to_the_next_host_and_begins_there_the_next_time(silence: Host) -> None:
    run = hosts(b1=silence, b2=said("peers.xml"))
    client = pool(run)
    client.peers()
    client.asking(timeout=3).peers()
    assert [host for host, _ in run.asked] == ["b1", "b2", "b2"]


NONE = (
    '<?xml version="1.0"?><cliOutput><opRet>0</opRet><volInfo><volumes><count>0</count></volumes></volInfo></cliOutput>'
)


def test_one_that_has_just_joined_and_knows_no_volumes_does_not_speak_for_all() -> None:
    run = hosts(b1=NONE, b2=silent("b2"), b3=said("volumes.xml"))
    assert [each.name for each in pool(run).volumes()] == [
        each.name for each in pool(hosts(b3=said("volumes.xml"))).volumes()
    ]
    assert pool(hosts(b1=NONE, b2=NONE)).volumes() == ()
    assert pool(run).asking("b1").volumes() == (), "it speaks for itself"


def test_a_host_that_hangs_costs_its_share_of_the_time() -> None:
    run = hosts(b1=CommandTimeout("killed"), b2=CommandTimeout("killed"), b3=said("peers.xml"))
    pool(run, 9.0).peers()
    assert run.clock.now - 1_000_000 <= 9
    assert [argv[3] for _, argv in run.asked] == ["3.0", "3.0", "3.0"]


def test_when_nobody_answers_all_are_told() -> None:
    with pytest.raises(RemoteError, match=r"gluster peer status: no answer: b1: .*no route.*; b2: no end after"):
        pool(hosts(b1=silent("b1"), b2=CommandTimeout("killed"))).peers()


def test_what_may_have_begun_is_not_begun_on_another_host() -> None:
    run = hosts(b1=Completed((), 1, "Error : Request timed out\n", "", 1), b2=OK)
    with pytest.raises(RemoteError, match="b1: Error : Request timed out"):
        pool(run).start("homes")
    assert [host for host, _ in run.asked] == ["b1"]
    run = hosts(b1=silent("b1"), b2=OK)
    pool(run).start("homes", force=True)
    assert run.words[-1] == ("volume", "start", "homes", "force")


def test_another_transaction_is_waited_for_but_not_forever() -> None:
    run = hosts(b1=[said("busy.xml"), said("busy.xml"), OK])
    pool(run).heal_full("homes")
    assert len(run.asked) == 3
    run = hosts(b1=said("busy.xml"))
    with pytest.raises(Refused, match="Another transaction is in progress") as caught:
        pool(run, timeout=2.0).heal_full("homes")
    assert caught.value.busy
    assert 1.5 < run.clock.now - 1_000_000 <= 2


def test_a_refusal_is_final_and_says_where_to_look() -> None:
    run = hosts(b1=said("no-option.xml"), b2=OK)
    with pytest.raises(Refused, match=r"b1: gluster volume set homes a.b 5: option : a.b does not exist") as caught:
        pool(run).set_options("homes", {"a.b": "5"})
    assert (caught.value.busy, "glusterd.log on b1" in caught.value.hint) == (False, True)
    assert len(run.asked) == 1


def test_a_volume_that_is_not_there_is_none() -> None:
    assert pool(hosts(b1=said("volumes.xml"))).volume("nix") is None


ACTS: list[tuple[Callable[[Gluster], None], str]] = [
    (
        lambda g: g.create("v", ["a:/x", "b:/x", "c:/x"], replica=3, arbiter=1),
        "volume create v replica 3 arbiter 1 a:/x b:/x c:/x",
    ),
    (lambda g: g.create("v", ["a:/x"]), "volume create v a:/x"),
    (lambda g: g.set_options("v", {"a": "1", "b": "on"}), "volume set v a 1 b on"),
    (lambda g: g.reset_option("v", "a"), "volume reset v a"),
    (lambda g: g.granular_entry_heal("v", on=True), "volume heal v granular-entry-heal enable"),
    (lambda g: g.start("v"), "volume start v"),
    (lambda g: g.reset_brick_start("v", "a:/x"), "volume reset-brick v a:/x start"),
    (lambda g: g.reset_brick_commit("v", "a:/x"), "volume reset-brick v a:/x a:/x commit force"),
    (lambda g: g.heal_full("v"), "volume heal v full"),
]


@pytest.mark.parametrize(("act", "words"), ACTS)
def test_acts(act: Callable[[Gluster], None], words: str) -> None:
    run = hosts(b1=OK)
    act(pool(run))
    assert run.words == [tuple(words.split())]


HEALED = "Disable granular entry heal on volume homes has been successful \n"
FULL = (
    "Launching heal operation to perform full self heal on volume homes has been successful \n"
    "Use heal info commands to check status.\n"
)
NOT_HEALED = "Launching heal operation to perform full self heal on volume homes has been unsuccessful:\n"


def test_acts_of_healing_know_no_xml() -> None:
    pool(hosts(b1=HEALED)).granular_entry_heal("homes", on=False)
    pool(hosts(b1=FULL)).heal_full("homes")
    busy = "Another transaction is in progress for homes. Please try again after some time.\n"
    with pytest.raises(Refused, match="volume heal homes full: Another transaction") as caught:
        pool(hosts(b1=Completed((), 1, "", NOT_HEALED + busy, 0.1)), timeout=1.0).heal_full("homes")
    assert caught.value.busy
    with pytest.raises(Refused, match="full: Self-heal daemon is not running"):
        pool(hosts(b1=NOT_HEALED + "Self-heal daemon is not running.\n")).heal_full("homes")


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        (FULL.replace("full", "index"), True),
        (
            NOT_HEALED + "Glusterd Syncop Mgmt brick op 'Heal' failed. Please check glustershd log file for details.",
            True,
        ),
        (NOT_HEALED + "Self-heal daemon is not running. Check self-heal daemon log file.\n", False),
    ],
)
def test_a_daemon_that_answers_is_in_glusterds_hands(text: str, holds: bool) -> None:
    run = hosts(b1=Completed((), 0 if "unsuccessful" not in text else 1, "", text, 0.1))
    assert pool(run).holds_daemon("homes") is holds
    assert run.words == [("volume", "heal", "homes")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("volume heal: success\n", "b1: volume heal: success"),
        ("Usage: volume heal\n", "b1: Usage"),
        ("", "exit code 0"),
    ],
)
def test_any_other_plain_text_is_an_error(text: str, told: str) -> None:
    run = hosts(b1=Completed((), 0, text, "", 0.1), b2=OK)
    with pytest.raises(RemoteError, match=told):
        pool(run).granular_entry_heal("homes", on=False)
    assert [host for host, _ in run.asked] == ["b1"]


def test_own_bricks_are_asked_of_their_own_machine_by_a_shell_there(tmp_path: Path) -> None:
    run = hosts(b1=OK, b3="b3 /data/homes 12 S 0")
    homes = VolumeInfo("homes", "u", "Started", 3, 0, tuple(BrickInfo(f"b{n}", "/data/homes") for n in (1, 3)), {})
    assert pool(run).own_bricks("b3", [homes]) == (BrickStatus("b3", "/data/homes", True, 12, 0, 0),)
    ((host, argv),) = run.asked
    assert (host, argv[4:6], argv[7:9]) == ("b3", ("sh", "-c"), ("sh", "b3"))
    assert argv[9:] == ("homes", "b1", "/data/homes", "homes", "b3", "/data/homes")

    brick = tmp_path / "homes"
    index = brick / ".glusterfs" / "indices" / "xattrop"
    index.mkdir(parents=True)
    for name in ("xattrop-1", "gfid-1", "gfid-2"):
        (index / name).touch()
    here = VolumeInfo("homes", "u", "Started", 1, 0, (BrickInfo("me", str(brick)), BrickInfo("other", "/x")), {})

    def on_this_machine(host: str, argv: Sequence[str], *, timeout: float) -> Completed:
        assert host == "me"
        return command.run(argv, timeout=timeout)

    found = Gluster(["me"], on_this_machine).own_bricks("me", [here])
    assert found == (BrickStatus("me", str(brick), False, 0, 0, 2),)


def test_over_ssh_with_sudo() -> None:
    seen: list[list[str]] = []

    def run(argv: Sequence[str], *, timeout: float = 60, check: bool = True, **_: object) -> Completed:
        assert (round(timeout, 1), check) == (6.0, False)
        seen.append(list(argv))
        return Completed(tuple(argv), 0, said("peers.xml"), "", 0.1)

    Gluster.over(Ssh(Path("config"), run), ["brick-001"], timeout=5).peers()
    assert seen[0][:5] == ["ssh", "-F", "config", "--", "brick-001"]
    assert seen[0][5].startswith("sudo -n timeout -k 1 5.0 gluster")
