"""What became of prompts: deliver them, wait as far as was asked, and say it, one receipt for each session."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agentmux.mux.asking import Asking, Phase, Queued
from agentmux.mux.errors import AgentmuxError
from agentmux.mux.foreign import printable, safe
from agentmux.mux.session import Session
from agentmux.mux.turnend import End
from agentmux.mux.verdict import Status

LOST, TIMEOUT, EXITED, KILLED, NEEDED, QUEUED, REFUSED, UNCERTAIN, FAILED, INTERRUPTED = range(4, 14)
"""Exit statuses of prompts, turns and waits besides 0, for what was accepted, is done or has come."""

PHASES = {Phase.ACCEPTED: 0, Phase.QUEUED: QUEUED, Phase.TYPING: QUEUED, Phase.REFUSED: REFUSED}
PHASES |= {Phase.UNCERTAIN: UNCERTAIN, Phase.DROPPED: REFUSED}

ENDS = {
    End.DONE: 0,
    End.NEEDED: NEEDED,
    End.FAILED: FAILED,
    End.INTERRUPTED: INTERRUPTED,
    End.EXITED: EXITED,
    End.KILLED: KILLED,
    End.LOST: LOST,
}


@dataclass(frozen=True, slots=True)
class Order:
    """How a prompt is to be delivered; ``timeout`` is in seconds, 0 for never."""

    at_once: bool = False
    not_before: float = 0.0
    after: Session | None = None
    wait: bool = False
    timeout: float = 0.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one prompt.

    Attributes:
        state: accepted, queued, refused or uncertain; typed, for a program of which nothing more can be known; or
            how the turn ended, or timeout.
        why: what it waits for, why it was refused, what was seen.
        proof: what shows that it was accepted.
        reply: what the agent said, None where it was not waited for or has said nothing.
    """

    session: Session
    prompt: int | None
    state: str
    status: int
    why: str = ""
    proof: str = ""
    reply: str | None = None

    def values(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "session": self.session.id,
            "name": self.session.name,
            "prompt": self.prompt,
            "state": self.state,
            "status": self.status,
            "why": self.why or None,
            "proof": self.proof or None,
            "reply": self.reply,
        }


async def deliver(asking: Asking, sessions: list[Session], text: str, order: Order, *, json: bool) -> int:
    """Deliver a prompt to each session, print the receipts, return the exit status: the highest there is."""
    deadline = asking.loop.time() + order.timeout if order.timeout else None
    several = len(sessions) > 1
    ways = [_Way(asking, session, order) for session in sessions]
    for way in ways:
        way.send(text, spare=several)
    receipts = [await way.arrived(deadline) for way in ways]
    if json:
        listed = [one.values() for one in receipts]
        asking.json(listed if several else listed[0])
    else:
        for one in receipts:
            _say(asking, one, several=several)
    return max(one.status for one in receipts)


def _say(asking: Asking, one: Receipt, *, several: bool) -> None:
    name = safe(one.session.name)
    if one.reply is not None:
        asking.out(f"== {name}\n{printable(one.reply)}" if several else printable(one.reply))
    if one.status or (several and one.reply is None):
        number = f" (prompt {one.prompt})" if one.prompt is not None else ""
        asking.err(f"session {name!r}: {one.state}{number}{': ' if one.why else ''}{safe(one.why)}")


class _Way:
    """One session's prompt, from when it is sent."""

    def __init__(self, asking: Asking, session: Session, order: Order) -> None:
        self._asking = asking
        self._session = session
        self._order = order
        last = asking.messages.of(session.id, 1)
        self._after = last[0].id if last else 0
        self._prompt: Queued | None = None
        self._refused = ""

    def send(self, text: str, *, spare: bool) -> None:
        """Queue it, or type it. ``spare``: what is wrong with this session does not keep others from theirs."""
        mux, session, order = self._asking.mux, self._session, self._order
        try:
            if mux.courier.knows(session):
                self._prompt = mux.courier.send(
                    session, text, at_once=order.at_once, not_before=order.not_before, after=order.after
                )
            elif order.at_once or order.not_before or order.after:
                self._refused = "nothing is known of how its program takes prompts"
            else:
                mux.courier.type_blindly(session, text)
        except AgentmuxError as error:
            if not spare:
                raise
            self._refused = error.problem

    def _goes_on(self, prompt: Queued) -> bool:
        """Whether there will be more to tell of a prompt than there is now, and that is waited for."""
        if prompt.phase is Phase.QUEUED:
            order = self._order
            now = order.at_once and not order.not_before and order.after is None  # which is not left to wait
            return now or order.wait or self._asking.mux.courier.soon(prompt)
        return prompt.phase is Phase.TYPING

    async def arrived(self, deadline: float | None) -> Receipt:
        """Return what has become of it, and of its turn if that is waited for, by ``deadline`` (loop time)."""
        asking, session = self._asking, self._session
        if self._refused:
            return Receipt(session, None, Phase.REFUSED.value, REFUSED, self._refused)
        receipt = Receipt(session, None, "typed", 0)
        if self._prompt is not None:
            prompt = asking.mux.courier.get(self._prompt.id)
            while self._goes_on(prompt):
                if not await asking.becomes(prompt, deadline):
                    return Receipt(session, prompt.id, prompt.phase.value, TIMEOUT, prompt.why)
                prompt = asking.mux.courier.get(prompt.id)
                if prompt.phase is Phase.QUEUED and session.verdict.status is Status.WAITING:
                    return Receipt(session, prompt.id, End.NEEDED.value, NEEDED, prompt.why)
            receipt = Receipt(session, prompt.id, prompt.phase.value, PHASES[prompt.phase], prompt.why, prompt.proof)
        if not self._order.wait or receipt.status:
            return receipt
        turn = asking.turn_of(session, after=self._after)
        end = await asking.turn_end(turn, session, deadline)
        reply = turn.reply()
        said = reply.text if reply is not None else None
        if end is None:
            return replace(receipt, state="timeout", status=TIMEOUT, why="the turn goes on", reply=said)
        why = session.verdict.about if end in (End.NEEDED, End.FAILED) else ""
        return replace(receipt, state=end.value, status=ENDS[end], why=why, reply=said)
