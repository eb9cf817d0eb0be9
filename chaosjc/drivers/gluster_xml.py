"""What `gluster` prints → values. Pure; every function raises RemoteError where the text is not what it expects.

Shapes are those of GlusterFS 10.3; tests/cases/gluster holds what it printed.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from chaosjc.drivers.gluster_values import BrickClients, BrickEntries, BrickInfo, BrickStatus, Peer, VolumeInfo
from chaosjc.errors import RemoteError

_STOPPED = ("T", "t", "Z", "X", "-")  # states of a process that does not serve, as /proc has them, and of none
_HEAL_ACT = re.compile(r"has been (?P<un>un)?successful:?\s*(?P<why>.*)", re.DOTALL)


def document(text: str) -> ET.Element:
    """The whole answer, whether it is a yes or a no; RemoteError where it is no XML at all."""
    try:
        return ET.fromstring(text)  # noqa: S314 - of GlusterFS's own program
    except ET.ParseError:
        raise RemoteError(f"gluster said no XML: {text.strip()[:200] or 'nothing'}") from None


def plain(text: str) -> ET.Element | None:
    """What `volume heal` prints of an act, which knows no XML, as an answer like the others; None of any other text."""
    told = _HEAL_ACT.search(text)
    if told is None:
        return None
    answer = ET.Element("cliOutput")
    ET.SubElement(answer, "opRet").text = "-1" if told["un"] else "0"
    ET.SubElement(answer, "opErrstr").text = told["why"]
    return answer


def refusal(answer: ET.Element) -> str:
    """Why GlusterFS refused; empty where it did not."""
    if answer.findtext("opRet") == "0":
        return ""
    said = (answer.findtext("opErrstr") or answer.findtext("output") or "").strip()
    return " ".join(said.split()) or f"error {answer.findtext('opErrno')}, without a reason"


def peers(answer: ET.Element) -> tuple[Peer, ...]:
    """`peer status`: all machines of the pool but the one that was asked."""
    return tuple(
        Peer(
            uuid=_text(each, "uuid"),
            host=_text(each, "hostname"),
            state=each.findtext("stateStr") or "",
            connected=_text(each, "connected") == "1",
        )
        for each in answer.iterfind("peerStatus/peer")
    )


def volumes(answer: ET.Element) -> tuple[VolumeInfo, ...]:
    """`volume info`."""
    return tuple(_volume(each) for each in answer.iterfind("volInfo/volumes/volume"))


def bricks(answer: ET.Element) -> tuple[BrickStatus, ...]:
    """`volume status VOLUME`: a brick of a machine that does not answer is not among them."""
    return tuple(
        BrickStatus(
            host=_text(each, "hostname"),
            path=_text(each, "path"),
            online=_text(each, "status") == "1",
            pid=max(_number(each.findtext("pid")) or 0, 0),
            port=_number(each.findtext("port")) or 0,
        )
        for each in _nodes(answer)
    )


def own_bricks(text: str) -> tuple[BrickStatus, ...]:
    """Lines of host, path, process id, its state, and entries in the index, `-` for what is not there."""
    found: list[BrickStatus] = []
    for line in text.splitlines():
        try:
            host, path, pid, state, pending = line.split()
        except ValueError:
            raise RemoteError(f"not a brick: {line[:200]!r}") from None
        found.append(BrickStatus(host, path, state not in _STOPPED, _number(pid) or 0, 0, _number(pending)))
    return tuple(found)


def clients(answer: ET.Element) -> tuple[BrickClients, ...]:
    """`volume status VOLUME clients`, of the bricks that are online and tell."""
    return tuple(
        BrickClients(
            host=_text(each, "hostname"),
            path=_text(each, "path"),
            clients=frozenset(_address(_text(client, "hostname")) for client in found.iterfind("client")),
        )
        for each in _nodes(answer)
        if (found := each.find("clientsStatus")) is not None
    )


def entries(answer: ET.Element) -> tuple[BrickEntries, ...]:
    """`volume heal VOLUME info [summary]`: what is to be healed, brick by brick."""
    return _counts(answer, "totalNumberOfEntries", "numberOfEntries")


def split_brain(answer: ET.Element) -> tuple[BrickEntries, ...]:
    """`volume heal VOLUME info summary`: how much of it is in split-brain."""
    return _counts(answer, "numberOfEntriesInSplitBrain")


def _counts(answer: ET.Element, *tags: str) -> tuple[BrickEntries, ...]:
    """Only what a connected brick counts is a number: of others the tool prints `-`, nothing, or 0 within a text."""
    found: list[BrickEntries] = []
    for each in answer.iterfind("healInfo/bricks/brick"):
        host, _, path = _text(each, "name").partition(":")
        said = next((text for tag in tags if (text := each.findtext(tag)) is not None), None)
        connected = (each.findtext("status") or "").strip() == "Connected"
        found.append(BrickEntries(host, path, _number(said) if connected else None))
    return tuple(found)


def _nodes(answer: ET.Element) -> Iterator[ET.Element]:
    """The bricks; among them are the machines' daemons, whose path is none."""
    for each in answer.iterfind("volStatus/volumes/volume/node"):
        if _text(each, "path").startswith("/"):
            yield each


def _volume(each: ET.Element) -> VolumeInfo:
    return VolumeInfo(
        name=_text(each, "name"),
        uuid=_text(each, "id"),
        status=_text(each, "statusStr"),
        replica=int(_text(each, "replicaCount")),
        arbiter=_number(each.findtext("arbiterCount")) or 0,
        bricks=tuple(_brick(brick) for brick in each.iterfind("bricks/brick")),
        options={_text(option, "name"): option.findtext("value") or "" for option in each.iterfind("options/option")},
    )


def _brick(each: ET.Element) -> BrickInfo:
    host, _, path = _text(each, "name").partition(":")
    return BrickInfo(host, path, each.findtext("hostUuid") or "", each.findtext("isArbiter") == "1")


def _address(host: str) -> str:
    """Without the port that follows the last colon."""
    return host.rpartition(":")[0]


def _number(text: str | None) -> int | None:
    """None for `-`, `N/A`, and what is absent."""
    try:
        return int(text or "")
    except ValueError:
        return None


def _text(each: ET.Element, tag: str) -> str:
    found = each.findtext(tag)
    if found is None:
        raise RemoteError(f"gluster's answer has no {tag} in {each.tag}")
    return found.strip()
