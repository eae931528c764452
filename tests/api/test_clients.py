"""What is each client's own: many at a time, cancelling, and what a type checker makes of a script."""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from world import World, wait_until

from agentmux.api import (
    Agentmux,
    AsyncAgentmux,
    AsyncSession,
    AsyncStream,
    Outcome,
    ServerLost,
    ServerSilent,
    Session,
    Stream,
)
from agentmux.api.request import umask

SCRIPT = """
import asyncio
from typing import assert_type

from agentmux.api import Agentmux, AsyncAgentmux, Delivery, Event, Info, Outcome, Receipt, Refused, Session, Status


def blocking() -> None:
    mux = Agentmux(name="work")
    with mux.create(["claude"], name="api", env={"A": "b"}, size=(80, 24)) as session:
        assert_type(session, Session)
        assert_type(session.info().status, Status)
        assert_type(session.wait("idle", Status.WAITING, timeout=60), Outcome)
        try:
            receipt = session.send("run the tests", wait=True)
        except Refused as error:
            receipt = error.receipt
        assert_type(receipt, Receipt)
        assert_type(receipt.state, Delivery)
        assert_type([one.text for one in session.queue().prompts], list[str | None])
        assert_type(session.last_reply(), str | None)
    with mux.events() as events:
        for event in events:
            assert_type(event, Event)
    assert_type(mux.sessions(), list[Info])


async def waiting() -> None:
    mux = AsyncAgentmux()
    async with await mux.create(["claude"]) as session:
        assert_type(await session.capture(), list[str])
        async with session.attach((80, 24)) as screen:
            async for piece in screen:
                assert_type(piece, bytes)


asyncio.run(waiting())
"""


@pytest.fixture
def here(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in world.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(world.home)
    return world


def test_threads_share_a_client(here: World) -> None:
    mux = Agentmux()
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: mux.create(["cat"]), range(16)))
        assert len({session.id for session in made}) == 16
        assert len(set(threads.map(lambda session: session.info().pid, made))) == 16


def test_threads_leave_the_umask_alone() -> None:
    interval = sys.getswitchinterval()
    before = os.umask(0o022)
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: [umask() for _ in range(30_000)], range(8)))
        assert os.umask(0o022) == 0o022
    finally:
        sys.setswitchinterval(interval)
        os.umask(before)


def test_calls_run_side_by_side(here: World) -> None:
    async def main() -> None:
        mux = AsyncAgentmux()
        made = await asyncio.gather(*(mux.create(["cat"]) for _ in range(16)))  # and one server
        assert len({session.id for session in made}) == 16
        waits = [asyncio.ensure_future(session.wait(timeout=20)) for session in made]
        for session in made:
            await session.press("C-d")
        assert await asyncio.gather(*waits) == [Outcome.REACHED] * 16

    asyncio.run(main())


def sockets() -> int:
    """Return how many sockets this process has open."""
    return sum(stat.S_ISSOCK(os.fstat(int(name)).st_mode) for name in os.listdir("/dev/fd") if _open(int(name)))


def _open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:  # the folder's own
        return False
    return True


async def until(probe: Callable[[], bool]) -> None:
    """Wait for what happens in this process; let its loop run meanwhile."""
    async with asyncio.timeout(20):
        while not probe():  # noqa: ASYNC110 - nothing tells of descriptors
            await asyncio.sleep(0.01)


def test_cancelling_closes_the_connection(here: World) -> None:
    async def main() -> None:
        mux = AsyncAgentmux()
        session = await mux.create(["cat"])
        before = sockets()
        waiting = asyncio.ensure_future(session.wait())
        await until(lambda: sockets() > before)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await until(lambda: sockets() == before)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await session.wait()
        async with session.attach() as screen:
            assert await anext(screen)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    while True:
                        await anext(screen)
            await session.send("more")
            assert b"more" in await anext(screen)
        await until(lambda: sockets() == before)

    asyncio.run(main())


def test_a_start_that_was_cancelled_leaves_nothing_open(here: World) -> None:
    async def main() -> None:
        waiting = asyncio.ensure_future(AsyncAgentmux().create(["cat"]))
        await asyncio.sleep(0)  # the thread has begun
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    wait_until(lambda: os.path.exists(here.socket), what="a server")


def test_the_clients_have_the_same_methods() -> None:
    def public(kind: Any) -> dict[str, str]:
        found = inspect.getmembers(kind, inspect.isfunction)
        signatures = {name: str(inspect.signature(method)) for name, method in found if not name.startswith("_")}
        return {name: text.replace("Async", "") for name, text in signatures.items()}

    assert public(Agentmux) == public(AsyncAgentmux)
    assert public(Session) == public(AsyncSession)
    assert set(public(Stream)) == {"close"} and set(public(AsyncStream)) == {"aclose"}
    for name in public(Session):
        doc = inspect.getdoc(getattr(AsyncSession, name)) or ""
        assert doc.startswith(f"As ``Session.{name}``.")


def test_who_does_not_need_asyncio_does_not_load_it() -> None:
    code = "import sys, agentmux.api as api; print('asyncio' in sys.modules, api.AsyncSession.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False AsyncSession\n"


def test_a_full_backlog_is_waited_for_without_blocking_the_loop(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    from agentmux.api import aio

    monkeypatch.setattr(aio, "PATIENCE", 0.3)
    folder = os.path.dirname(here.socket)
    os.mkdir(folder, 0o700)
    waiting = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(here.socket)
        listener.listen(0)
        try:
            while True:
                waiting.append(sock := socket.socket(socket.AF_UNIX))
                sock.setblocking(False)
                sock.connect(here.socket)
        except BlockingIOError:
            pass

        async def main() -> int:
            turns = 0
            call = asyncio.ensure_future(AsyncAgentmux().sessions())
            while not call.done():
                turns += 1
                await asyncio.sleep(0.01)
            with pytest.raises(ServerSilent):
                await call
            return turns

        assert asyncio.run(main()) > 5
        for sock in waiting:
            sock.close()
    os.unlink(here.socket)


def test_a_script_is_checked_strictly(world: World) -> None:
    path = os.path.join(world.home, "script.py")
    with open(path, "w") as file:
        file.write(SCRIPT)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", f"{world.home}/mypy", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=world.home)
    assert done.returncode == 0, done.stdout
    with open(path, "a") as file:
        file.write("Agentmux().nothing\nAgentmux().create(argv=3)\n")
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=world.home)
    assert done.stdout.count("error:") == 2, "and the types are there"


def test_a_server_that_hangs_up_at_once_is_lost_and_not_a_broken_pipe(world: World) -> None:
    """Whether the write or the read finds out depends on who is faster."""
    folder = f"{world.runtime}/api"
    os.mkdir(folder, 0o700)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{folder}/s")
    listener.listen()

    def hang_up() -> None:
        while True:
            try:
                listener.accept()[0].close()
            except OSError:
                return

    thread = threading.Thread(target=hang_up)
    thread.start()

    async def asked() -> None:
        mux = AsyncAgentmux(socket=f"{folder}/s")
        for _ in range(100):
            with pytest.raises(ServerLost):
                await mux.sessions()

    try:
        asyncio.run(asked())
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        os.remove(f"{folder}/s")
        os.rmdir(folder)
