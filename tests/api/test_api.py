"""What the command line does, from Python: each test asks the blocking client and the one for asyncio the same."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import composing
import pytest
from fronts import front
from world import World, wait_until

from agentmux.api import (
    AmbiguousTarget,
    BadUsage,
    Delivery,
    NameTaken,
    NoConversation,
    NoServer,
    NoSuchPrompt,
    NotQueued,
    NotRunning,
    Outcome,
    Refused,
    Role,
    ServerLost,
    SpawnFailed,
    State,
    Status,
    StillRunning,
    TimedOut,
    Unfinished,
    UnknownCommand,
    UnknownSession,
)
from agentmux.cli.commands import find
from agentmux.mux.screen import Screen

ECHO = "import sys\nfor line in sys.stdin: print('said', line.strip(), flush=True)"


@pytest.fixture
def here(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world, with this process in it."""
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in world.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(world.home)
    return world


@pytest.fixture(params=["blocking", "asyncio"])
def mux(request: pytest.FixtureRequest, here: World) -> Iterator[Any]:
    """A client, of either kind."""
    loop = asyncio.new_event_loop()
    yield front(request.param, loop)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def python(mux: Any, code: str, **options: Any) -> Any:
    """Start a session that runs Python code, quickly and by itself."""
    return mux.create([sys.executable, "-I", "-S", "-u", "-c", code], **options)


def agent(here: World, mux: Any) -> Any:
    """Start an agent that has a place for prompts; return it when it rests."""
    program = f'#!/bin/sh\nexec {sys.executable} -I -S {composing.__file__} "$@"\n'
    env = {"TRUTH": f"{here.root}/given", "OURS_LOG": here.root}
    session = mux.create([here.agent(composing.PROFILE, program)], env=env)
    assert session.wait("idle", timeout=20) is Outcome.REACHED
    return session


# -- sessions


def test_a_first_session_starts_the_server(here: World, mux: Any) -> None:
    session = mux.create(["cat", "-u"], name="one", size=(90, 30), labels={"team": "red"}, env={"A": "b=c"})
    info = session.info()
    assert (info.id, info.name, info.state, info.status) == (session.id, "one", State.RUNNING, Status.UNKNOWN)
    assert (info.argv, info.command, info.cwd) == (("cat", "-u"), "cat -u", here.home)
    assert (info.size, info.labels, info.env_names) == ((90, 30), {"team": "red"}, ("A",))
    assert info.pid in here.session_pids(session.id)
    assert info.facts == here.info("one") | {"age": info.age, "since": info.since}
    assert hash(info) == hash(session.info())
    assert repr(session) == f"<agentmux session {session.id}>"
    assert mux.socket == here.socket


def test_a_session_gets_folder_variables_and_umask_of_the_process(
    here: World, mux: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.makedirs("sub/work")
    monkeypatch.chdir("sub")
    monkeypatch.setenv("OURS", "yes")
    code = "import os; print(os.getcwd(), os.environ['OURS'], os.environ['MORE'], oct(os.umask(0)))"
    mux.create(["cat"])  # the server has the umask of before
    before = os.umask(0o027)
    try:
        session = python(mux, code, cwd="work", env={"MORE": ""})
        assert os.umask(0o027) == 0o027, "as it was"
    finally:
        os.umask(before)
    assert session.wait(timeout=20) is Outcome.REACHED
    assert session.capture()[0] == f"{here.home}/sub/work yes  0o27"
    assert session.info().exit_status == 0


def test_sessions_are_listed_and_found(here: World, mux: Any) -> None:
    first, second = mux.create(["cat"], name="api-1"), mux.create(["cat"], name="api-2", labels={"role": "test"})
    assert [info.id for info in mux.sessions()] == [first.id, second.id]
    assert [mux.session(target).id for target in ("api-1", second.id, "role=test")] == [first.id, second.id, second.id]
    first.close()
    assert [info.name for info in mux.sessions()] == ["api-2"]
    assert {info.name: info.state for info in mux.sessions(all=True)} == {
        "api-1": State.EXITED,
        "api-2": State.RUNNING,
    }


def test_without_a_command_it_is_the_users_shell(here: World, mux: Any) -> None:
    assert mux.create().info().argv == ("/bin/sh",)


def test_nothing_is_remembered_of_a_session_that_is_not_recorded(here: World, mux: Any) -> None:
    session = python(mux, ECHO, record=False)
    session.send("secret")
    session.wait(output="^said secret", timeout=20)
    assert session.messages() == []
    assert session.info().record == "off"


def test_another_server_has_a_name_or_a_socket(here: World, mux: Any) -> None:
    here.sockets += [os.path.join(here.runtime, "agentmux", "other")]
    other = type(getattr(mux, "_inner", mux))
    assert other(name="other").socket == here.sockets[1]
    assert other(here.sockets[1]).socket == here.sockets[1]
    for wrong in ({"name": "a/b"}, {"name": "a", "socket": "b"}):
        with pytest.raises(BadUsage):
            other(**wrong)


# -- typing and reading


def test_text_is_sent_typed_and_pressed(here: World, mux: Any) -> None:
    session = python(mux, ECHO)
    receipt = session.send("-x two  words")
    assert (receipt.state, receipt.session, receipt.prompt) == (Delivery.TYPED, session.id, None)
    assert session.wait(output="^said -x two  words$", timeout=20) is Outcome.REACHED
    session.type("-t")
    session.type("ypéd")
    session.press("Enter")
    assert session.wait(output="^said -typéd$", timeout=20) is Outcome.REACHED
    session.send("-")
    assert session.wait(output="^said -$", timeout=20) is Outcome.REACHED
    session.type("-")
    session.press("-", "Enter")
    assert session.wait(output="^said --$", timeout=20) is Outcome.REACHED
    with pytest.raises(BadUsage, match="no key named 'Entr'"):
        session.press("Entr")


def test_rows_are_captured_above_the_screen_as_well(here: World, mux: Any) -> None:
    session = python(mux, "for n in range(20): print('\\033[1mrow', n)", size=(40, 5))
    session.wait(timeout=20)
    assert session.capture(end=0) == ["row 16"]
    assert session.capture(-2, -1) == ["row 14", "row 15"]
    assert session.capture(None)[:2] == ["row 0", "row 1"]
    assert "\033[" in session.capture(end=0, styled=True)[0]


def test_output_comes_by_the_byte(here: World, mux: Any) -> None:
    session = python(mux, "import os\nfor n in range(30000): os.write(1, b'%07d ' % n)")
    session.wait(timeout=20)
    whole = session.output()
    assert whole == b"".join(b"%07d " % n for n in range(30000))
    assert session.output(start=80, limit=16) == whole[80:96]
    assert session.output(start=len(whole) - 8) == b"0029999 "
    assert session.output(limit=150_000) == whole[:150_000]


def test_what_was_said_is_remembered(here: World, mux: Any) -> None:
    session = python(mux, ECHO)
    assert session.last_reply() is None
    assert session.messages() == []
    session.send("one\ttwo")
    wait_until(lambda: session.last_reply(), what="reply")
    assert session.last_reply().endswith("said one        two")
    first, second = session.messages()
    assert (first.role, first.text, first.session, first.source) == (Role.USER, "one\ttwo", session.id, "send")
    assert second.role is Role.AGENT
    assert session.messages(last=1) == [second]


# -- waiting and interrupting


def test_a_wait_tells_how_it_ended(here: World, mux: Any) -> None:
    session = mux.create(["cat"])
    with pytest.raises(TimedOut, match=r"not seen within 0.2 s"):
        session.wait(output="^never$", timeout=0.2)
    with pytest.raises(TimedOut):
        session.wait(timeout=0)
    session.press("C-d")
    assert session.wait(timeout=20) is Outcome.REACHED
    assert session.wait("idle", timeout=20) is Outcome.EXITED
    session.restart()
    session.close()
    assert session.wait(timeout=20) is Outcome.KILLED
    with pytest.raises(BadUsage, match="can't wait until 'later'"):
        session.wait("later")


def test_a_program_is_interrupted(here: World, mux: Any) -> None:
    session = mux.create(["bash", "--norc"])
    session.wait("idle", timeout=20)
    session.send("cat")
    session.wait("working", timeout=20)
    session.interrupt()
    assert session.wait("idle", timeout=20) is Outcome.REACHED


def test_an_agents_turn_is_waited_for(here: World, mux: Any) -> None:
    session = agent(here, mux)
    receipt = session.send("echo hello", wait=True, timeout=30)
    assert (receipt.state, receipt.prompt, receipt.proof) == (Delivery.DONE, 1, "record u1")
    assert receipt.reply == session.last_reply() == "you said echo hello"
    assert [message.role for message in session.messages()] == [Role.USER, Role.AGENT]
    receipt = session.send("ask", wait=True, timeout=30)
    assert (receipt.state, receipt.why) == (Delivery.NEEDED, "approval")
    info = session.info()
    assert (info.status, info.about, info.options) == (Status.WAITING, "approval", ("Yes", "No"))
    assert session.wait("idle", timeout=20) is Outcome.NEEDED
    with pytest.raises(Refused, match="waits for approval") as refused:
        session.send("at once", when="now")
    assert (refused.value.receipt.state, refused.value.status) == (Delivery.REFUSED, 10)


def test_prompts_wait_for_an_agent_that_works(here: World, mux: Any) -> None:
    session = agent(here, mux)
    with pytest.raises(Unfinished) as unfinished:
        session.send("work 600", wait=True, timeout=5)
    assert unfinished.value.receipt.state is Delivery.TIMEOUT
    assert session.info().status is Status.WORKING
    queued = session.send("echo later")
    assert queued.state is Delivery.QUEUED
    queue = session.queue()
    assert (queue.session, queue.paused) == (session.id, False)
    assert [(one.id, one.text, one.state, one.when) for one in queue.prompts] == [
        (queued.prompt, "echo later", Delivery.QUEUED, "idle")
    ]
    dropped = session.send("not any more")
    session.drop(dropped.prompt)
    with pytest.raises(NotQueued):
        session.drop(dropped.prompt)
    with pytest.raises(NoSuchPrompt):
        session.drop(77)
    session.drop()
    session.pause_queue()
    assert session.queue().paused
    session.resume_queue()
    assert not session.queue().paused
    session.interrupt()
    assert session.queue().paused, "by the interrupt"
    session.resume_queue()
    wait_until(lambda: not session.queue().prompts, what="an empty queue")
    wait_until(lambda: session.last_reply() == "you said echo later", what="reply")
    over = session.queue(all=True).prompts
    assert [one.text for one in over if one.state is Delivery.ACCEPTED] == ["work 600", "echo later"]


@pytest.mark.skipif(find("answer") is None, reason="this version has no such command")
def test_a_question_is_answered(here: World, mux: Any) -> None:
    session = agent(here, mux)
    session.send("ask")
    session.wait("waiting", timeout=20)
    session.answer(1)


@pytest.mark.skipif(find("answer") is not None, reason="this version has the command")
def test_a_command_that_the_server_does_not_know_is_an_error(here: World, mux: Any) -> None:
    session = mux.create(["cat"])
    with pytest.raises(UnknownCommand, match="no command named 'answer'"):
        session.answer("yes", seen="x")


# -- the end, and after it


def test_a_session_is_ended_and_started_again(here: World, mux: Any) -> None:
    with mux.create(["cat"], name="one") as session:
        with pytest.raises(StillRunning):
            session.restart()
        pid = session.info().pid
    assert session.info().state is State.EXITED
    session.close()
    session.restart()
    assert session.info().pid not in (pid, None)
    session.restart(kill=True)
    assert session.info().starts == 3
    session.close(now=True)
    with pytest.raises(NotRunning) as error:
        session.send("x")
    assert error.value.hint == "start it again with: agentmux restart -t one"


def test_a_conversation_is_resumed_and_forked_where_there_is_one(here: World, mux: Any) -> None:
    session = mux.create(["cat"])
    session.resume()
    with pytest.raises(NoConversation):
        session.fork()
    session.close()
    with pytest.raises(NoConversation) as error:
        session.resume()
    assert error.value.status == 1


# -- streams


def test_events_are_followed_from_the_first_one_on(here: World, mux: Any) -> None:
    session = mux.create(["cat"], name="one")
    with session.events() as events, mux.events() as all_of_them:
        mux.create(["cat"], name="two")
        here.run("rename", "-t", "one", "uno").ok()
        session.close()
        kinds = [event.kind for event in events]
        assert kinds[0] == "renamed"
        assert kinds[-1] == "exited"
        created = next(all_of_them)
    assert (created.kind, created.name) == ("created", "two")
    assert created.at > 0
    assert created.facts["event"] == "created"
    assert list(events) == []


def test_events_need_a_server(here: World, mux: Any) -> None:
    with pytest.raises(NoServer), mux.events() as events:
        next(events)
    mux.create(["cat"])
    with mux.events() as events:
        os.kill(here.status()["server_pid"], signal.SIGKILL)
        with pytest.raises(ServerLost):
            list(events)
        assert list(events) == []


def shown(stream: Any, text: bytes) -> None:
    """Read until a terminal shows ``text``: what comes may have been cut anywhere, and be drawn in parts."""
    screen = Screen((120, 40))
    try:
        for piece in stream:
            screen.feed(piece)
            if any(text.decode() in row for row in screen.text_rows(0, 40)):
                return
        raise AssertionError(screen.text_rows(0, 40))
    finally:
        screen.close()


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["a part", "its size"])
def test_a_session_is_watched(here: World, mux: Any, size: tuple[int, int]) -> None:
    session = python(mux, ECHO)
    session.send("before")
    with session.attach(size) as stream:
        shown(stream, b"said before")
        assert session.info().attached == 1
        session.send("after")
        shown(stream, b"said after")
        assert session.info().size == (120, 40)
        session.press("C-d")
        for _ in stream:
            pass
    with pytest.raises(NotRunning), session.attach():
        pass
    session.restart()
    with session.attach():
        pass
    wait_until(lambda: session.info().attached == 0, what="one that left")


def test_who_watches_goes_on_with_the_next_server(here: World, mux: Any) -> None:
    session = python(mux, ECHO)
    session.send("before")
    with session.attach() as stream:
        shown(stream, b"said before")
        for _ in range(2):
            os.kill(here.status()["server_pid"], signal.SIGKILL)
            shown(stream, b"said before")
        session.send("after")
        shown(stream, b"said after")


def test_a_viewer_may_be_inside_of_a_session_and_brings_no_ssh_agent(
    here: World, mux: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", f"{here.home}/first")
    session = python(mux, ECHO)
    link = f"{here.socket}.ssh-{session.id}"
    assert os.readlink(link) == f"{here.home}/first"
    monkeypatch.setenv("SSH_AUTH_SOCK", f"{here.home}/second")
    monkeypatch.setenv("AGENTMUX", f"{here.socket},{session.id}")
    with session.attach() as stream:
        assert next(stream)
    assert os.readlink(link) == f"{here.home}/first"


# -- what goes wrong


def test_errors_are_those_of_the_command_line(here: World, mux: Any) -> None:
    mux.create(["cat"], name="api-1")
    mux.create(["cat"], name="api-2")
    with pytest.raises(UnknownSession) as error:
        mux.session("api3")
    assert (error.value.problem, error.value.status) == ("no session named 'api3'", 1)
    assert error.value.hint.startswith("did you mean 'api-")
    with pytest.raises(AmbiguousTarget):
        mux.session("api")
    with pytest.raises(NameTaken, match="a session named 'api-1' is running"):
        mux.create(["cat"], name="api-1")
    with pytest.raises(SpawnFailed, match="cannot run 'no-such-program'"):
        mux.create(["no-such-program"])
    with pytest.raises(BadUsage, match="no list of words"):
        mux.create("cat -u")
    with pytest.raises(BadUsage) as usage:
        mux.session("api-1").send("x", when="never")
    assert usage.value.status == 2


@contextmanager
def killed(here: World, when: Callable[[], object]) -> Iterator[None]:
    """Have the server killed as soon as something holds, while the block runs."""
    server = here.status()["server_pid"]

    def kill() -> None:
        wait_until(when, what="the moment to kill the server")
        os.kill(server, signal.SIGKILL)

    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(kill)
        yield
        done.result()


def sockets() -> int:
    """Return how many sockets this process has open."""
    folder = "/proc/self/fd"
    found = 0
    for name in os.listdir(folder):
        try:
            found += os.readlink(f"{folder}/{name}").startswith("socket:")
        except FileNotFoundError:
            continue
    return found


def test_a_wait_goes_on_with_the_next_server(here: World, mux: Any) -> None:
    session = python(mux, ECHO)
    before = sockets()
    first = here.status()["server_pid"]
    with killed(here, lambda: sockets() > before), pytest.raises(TimedOut):
        session.wait(output="^said yes", timeout=2)
    assert here.status()["server_pid"] != first
    assert session.send("yes").state is Delivery.TYPED
    assert session.wait(output="^said yes", timeout=20) is Outcome.REACHED


def test_a_call_that_may_not_be_repeated_is_lost(here: World, mux: Any) -> None:
    session = agent(here, mux)
    session.send("work 600")
    session.wait("working", timeout=20)

    def queued() -> bool:
        return bool(here.run("queue", "-t", str(session.id), "--json").ok().json["prompts"])

    with killed(here, queued), pytest.raises(ServerLost) as error:
        session.send("echo later", wait=True)
    assert error.value.status == 4
    assert [one.text for one in session.queue().prompts] == ["echo later"]
