from __future__ import annotations

import json

import pytest

from chaosjc.canary.hub_kernel import Execution, Message, parse, request


def frame(kind: str, parent: str = "1", **content: object) -> str:
    header = {"msg_type": kind, "msg_id": "x"}
    return json.dumps({"header": header, "parent_header": {"msg_id": parent}, "content": content, "channel": "iopub"})


def test_a_request_is_an_execute_request_on_the_shell_channel() -> None:
    said = json.loads(request("7", "session", "print(1)"))
    assert (said["channel"], said["parent_header"], said["buffers"]) == ("shell", {}, [])
    assert {name: said["header"][name] for name in ("msg_id", "session", "msg_type")} == {
        **{"msg_id": "7", "session": "session", "msg_type": "execute_request"}
    }
    assert (said["content"]["code"], said["content"]["allow_stdin"]) == ("print(1)", False)


def test_a_message_is_read() -> None:
    assert parse(frame("stream", name="stdout", text="42\n")) == Message(
        "stream", "1", {"name": "stdout", "text": "42\n"}
    )


def test_what_a_server_says_of_itself_has_no_parent() -> None:
    said = {"header": {"msg_type": "status"}, "parent_header": None, "content": {"execution_state": "dead"}}
    message = parse(json.dumps(said))
    assert (message.parent, message.state) == ("", "dead")


@pytest.mark.parametrize(
    "wrong", ["", "3", "[]", "{}", '{"header": {"msg_type": "x"}}', '{"header": 3, "content": {}}']
)
def test_what_is_no_message_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(wrong)


REPLY = frame("execute_reply", status="ok")
IDLE = frame("status", execution_state="idle")
OUTPUT = [frame("stream", name="stdout", text="4"), frame("stream", name="stdout", text="2\n")]
OTHERS = [frame("status", execution_state="busy"), frame("execute_input", code="x")]


@pytest.mark.parametrize(
    "order", [[*OTHERS, *OUTPUT, REPLY, IDLE], [*OUTPUT, IDLE, REPLY], [REPLY, *OTHERS, *OUTPUT, IDLE]]
)
def test_an_execution_is_over_with_both_reply_and_idle(order: list[str]) -> None:
    execution = Execution()
    over = [execution.feed(parse(each)) for each in order]
    assert over == [False] * (len(order) - 1) + [True]
    assert (execution.text, execution.error) == ("42\n", "")


def test_what_goes_to_stderr_is_no_output() -> None:
    execution = Execution()
    execution.feed(parse(frame("stream", name="stderr", text="warning")))
    assert execution.text == ""


def test_an_error_has_its_name() -> None:
    execution = Execution()
    for each in (frame("error", ename="NameError"), frame("execute_reply", status="error", ename="NameError"), IDLE):
        over = execution.feed(parse(each))
    assert (over, execution.error) == (True, "NameError")


def test_an_aborted_cell_is_an_error() -> None:
    execution = Execution()
    execution.feed(parse(frame("execute_reply", status="aborted")))
    assert execution.error == "aborted"
