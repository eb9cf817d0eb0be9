"""Jupyter's kernel messages, as JSON, as they go over the WebSocket of /api/kernels/ID/channels. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

VERSION = "5.3"


@dataclass(frozen=True)
class Message:
    """What a kernel says; `parent` is the id of the request that it belongs to, empty for what nobody asked for."""

    kind: str
    parent: str
    content: Mapping[str, Any]

    @property
    def state(self) -> str:
        """`busy`, `idle`, `starting`, and from the server `restarting`, `dead`; empty in other messages."""
        return str(self.content.get("execution_state", "")) if self.kind == "status" else ""


def request(number: str, session: str, code: str) -> str:
    """A frame that has `code` executed; `number` is the id that its answers have as parent."""
    header = {"msg_id": number, "session": session, "username": "", "msg_type": "execute_request", "version": VERSION}
    content: dict[str, Any] = {"code": code, "silent": False, "store_history": False, "user_expressions": {}}
    content |= {"allow_stdin": False, "stop_on_error": False}
    said: dict[str, Any] = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
    return json.dumps(said | {"buffers": [], "channel": "shell"})


def parse(frame: str) -> Message:
    """One frame. Raises ValueError for what is no message."""
    try:
        said: dict[str, Any] = json.loads(frame)
        parent: dict[str, Any] = said.get("parent_header") or {}
        return Message(str(said["header"]["msg_type"]), str(parent.get("msg_id", "")), dict(said["content"]))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no kernel message: {error!r}") from None


@dataclass
class Execution:
    """What becomes of one request: it is over with both its reply and the kernel's `idle`, in whichever order."""

    text: str = ""
    error: str = ""
    _seen: set[str] = field(default_factory=set[str])

    def feed(self, message: Message) -> bool:
        """Take a message that belongs to it; whether it is over."""
        if message.kind == "stream" and message.content.get("name") == "stdout":
            self.text += str(message.content.get("text", ""))
        elif message.kind == "execute_reply":
            self._seen.add("reply")
            if message.content.get("status") != "ok":
                self.error = self.error or str(message.content.get("ename") or message.content.get("status"))
        elif message.state == "idle":
            self._seen.add("idle")
        return self._seen == {"reply", "idle"}
