"""A model's API on loopback whose replies follow a script: real agents take real turns against it.

It streams as Anthropic's messages, OpenAI's responses and chat completions, and Gemini's streamGenerateContent do, as
far as agents need that. The first word of REPLIES in a prompt decides the reply.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

Json = dict[str, Any]

MOST_WORDS, MOST_LINES = 400, 20_000


class Shell(NamedTuple):
    """It wants a shell command to run."""

    command: str


class Pause(NamedTuple):
    """It takes its time."""

    seconds: float


class Question(NamedTuple):
    """It asks the user to choose."""

    text: str
    choices: tuple[str, ...]


class Refusal(NamedTuple):
    """It answers with an HTTP error. The only step of its reply.

    ``resets``: seconds after which a plan's usage begins anew, 0 where it is not about that.
    """

    status: int
    resets: int = 0


Step = str | Shell | Pause | Question | Refusal


def _slow(count: int) -> Iterator[Step]:
    for number in range(min(count or 20, MOST_WORDS)):
        yield f"word{number + 1} "
        yield Pause(0.25)


def _long(count: int) -> Iterator[Step]:
    for number in range(min(count or 200, MOST_LINES)):
        yield f"line {number + 1} of a long reply\n"


PROSE = """Do you want to proceed? A dialog would say:
\u276f 1. Yes
  2. No
Esc to cancel · Enter to confirm. Allow execution of that? Permission required. Press enter to confirm or esc to cancel.
While it works it says (esc to interrupt), \u280b Working\u2026 or Thinking...
That was about dialogs. """
"""A reply that has all that dialogs and spinners say."""

REPLIES: dict[str, Callable[[int], Iterator[Step]]] = {
    "slow": _slow,
    "long": _long,
    "think": lambda count: iter([Pause(count or 4), "I have thought. "]),
    "tool": lambda count: iter(["I will run a command. ", Shell("touch approved.txt")]),
    "sleep": lambda count: iter(["I will wait. ", Shell(f"sleep {count or 3}")]),
    "nap": lambda count: iter(["I will wait. ", Shell(f"command sleep {count or 3}")]),
    "echo": lambda count: iter(["I will print. ", Shell("echo printed by touch")]),
    "ask": lambda count: iter([Question("Which colour?", ("Red", "Blue"))]),
    "prose": lambda count: iter([PROSE]),
    "fail": lambda count: iter([Refusal(500)]),
    "limit": lambda count: iter([Refusal(429)]),
    "usage": lambda count: iter([Refusal(429, count or 3600)]),
}
"""How a prompt with the word is answered, given the number after the word or 0."""

_ADDED = re.compile(r"\A\s*<([a-z_-]+)>.*?</\1>\s*", re.DOTALL)
_WORD = re.compile(rf"\b({'|'.join(REPLIES)})\b(?: (\d+))?")
_CHOICES = re.compile(r"\bask (\w+(?:,\w+)+)")


def _described(command: str) -> Json:
    return {"command": command, "description": "Make a file"}


def _escalated(command: str) -> Json:
    return {"cmd": command, "sandbox_permissions": "require_escalated", "justification": "May I make a file?"}


SHELLS: dict[str, Callable[[str], Json]] = {
    "Bash": _described,
    "bash": _described,
    "run_shell_command": _described,
    "exec_command": _escalated,
}
"""The agents' shell tools: arguments for which they ask for approval."""


def _questions(asked: Question) -> Json:
    options = [{"label": choice, "description": f"{choice} it is"} for choice in asked.choices]
    one = {"question": asked.text, "header": "Choice", "multiSelect": False, "options": options}
    return {"questions": [{**one, "id": "choice", "type": "choice"}]}


def _form(asked: Question) -> Json:
    """Return what two agents need that have a tool of the same name."""
    field = {"type": "string", "title": "Choice", "enum": list(asked.choices)}
    return {**_questions(asked), "message": asked.text, "requestedSchema": {"properties": {"choice": field}}}


ASKERS: dict[str, Callable[[Question], Json]] = {
    "AskUserQuestion": _questions,
    "ask_user": _form,
    "question": _questions,
    "request_user_input": _questions,
    "ask_user_question": _questions,
}
"""The agents' tools for questions to the user. The last is for one that does not tell of it, and has it."""


CHAT = "scripted-chat"
"""The model for an agent without tools: it runs what stands in a block of shell code."""


class Turn(NamedTuple):
    """The last user message, None after a tool's result; and the names of the tools that may be called."""

    prompt: str | None
    tools: list[str]
    chat: bool = False

    @property
    def side(self) -> bool:
        """Whether it is the agent's own business: a title, a summary."""
        return not self.tools and not self.chat


def turn(body: Json) -> Turn:
    """Read a request, of any of the APIs."""
    tools, chat = [], body.get("model") == CHAT
    for tool in body.get("tools") or ():
        functions = tool.get("functionDeclarations") or [tool.get("function") or tool]
        tools += [function.get("name", "") for function in functions]
    for message in reversed(body.get("messages") or body.get("input") or body.get("contents") or []):
        content = message.get("content") or message.get("parts") or ""
        parts = [{"text": content}] if isinstance(content, str) else content
        kinds = {message.get("role"), message.get("type"), *(part.get("type") for part in parts)}
        ran = kinds & {"tool", "tool_result", "function_call_output"} or any("functionResponse" in one for one in parts)
        said: list[str] = []
        if message.get("role") == "user":
            # What the agent adds to what the user said stands in tags, or in brackets.
            texts = [_ADDED.sub("", part.get("text") or "") for part in parts]
            said = [text for text in texts if text and not re.match(r"\s*<[a-z_-]+>|\[Request interrupted", text)]
        if ran and not (said and "tool_result" in kinds):  # which may come with the next prompt
            return Turn(None, tools)
        if said:
            # To what the user said, the chat's agent adds paragraphs.
            return Turn(said[-1].partition("\n\n")[0] if chat else said[-1], tools, chat)
    return Turn("", tools, chat)


Said = str | tuple[str, Json]
"""A text, or a tool's name and arguments."""


def _messages(said: Iterator[Said], number: int) -> Iterator[Json]:
    usage = {"input_tokens": 1000, "output_tokens": 20}
    message = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": "scripted", "content": []}
    reason: Json = {"stop_reason": None, "stop_sequence": None}
    yield {"type": "message_start", "message": {**message, **reason, "usage": usage}}
    index, reason["stop_reason"] = 0, "end_turn"
    yield {"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}}
    for one in said:
        if isinstance(one, str):
            delta = {"type": "text_delta", "text": one}
        else:
            yield {"type": "content_block_stop", "index": index}
            index, reason["stop_reason"] = index + 1, "tool_use"
            block = {"type": "tool_use", "id": f"toolu_{number}", "name": one[0], "input": {}}
            yield {"type": "content_block_start", "index": index, "content_block": block}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(one[1])}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": reason, "usage": usage}
    yield {"type": "message_stop"}


def _responses(said: Iterator[Said], number: int) -> Iterator[Json]:
    response: Json = {"id": f"resp_{number}", "object": "response", "status": "in_progress", "output": []}
    yield {"type": "response.created", "response": response}
    message: Json = {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": []}
    yield {"type": "response.output_item.added", "output_index": 0, "item": message}
    items, text = [message], ""
    for one in said:
        if isinstance(one, str):
            text += one
            yield {"type": "response.output_text.delta", "item_id": message["id"], "output_index": 0, "delta": one}
        else:
            call = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}"}
            items.append({**call, "name": one[0], "arguments": json.dumps(one[1])})
    message["content"] = [{"type": "output_text", "text": text, "annotations": []}]
    for index, item in enumerate(items):
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    usage = {"input_tokens": 1000, "output_tokens": 20, "total_tokens": 1020}
    yield {
        "type": "response.completed",
        "response": {**response, "status": "completed", "output": items, "usage": usage},
    }


def _completions(said: Iterator[Said], number: int) -> Iterator[Json]:
    def chunk(delta: Json, finish: str | None = None) -> Json:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        head = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 0, "model": "scripted"}
        return {**head, "choices": choices}

    finish = "stop"
    yield chunk({"role": "assistant", "content": ""})
    for one in said:
        if isinstance(one, str):
            yield chunk({"content": one})
        else:
            finish = "tool_calls"
            function = {"name": one[0], "arguments": json.dumps(one[1])}
            yield chunk(
                {"tool_calls": [{"index": 0, "id": f"call_{number}", "type": "function", "function": function}]}
            )
    yield chunk({}, finish)


def _counted(number: int) -> Json:
    """Return the last chunk for who asks what a completion took."""
    counts = {"prompt_tokens": 1000, "completion_tokens": 20, "total_tokens": 1020}
    usage = {**counts, "prompt_tokens_details": {"cached_tokens": 100}}
    head = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 0, "model": "scripted"}
    return {**head, "choices": [], "usage": usage}


def _gemini(said: Iterator[Said], number: int) -> Iterator[Json]:
    def chunk(part: Json, **more: str) -> Json:
        usage = {"promptTokenCount": 1000, "candidatesTokenCount": 20, "totalTokenCount": 1020}
        candidate = {"index": 0, "content": {"role": "model", "parts": [part]}, **more}
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "scripted"}

    for one in said:
        yield chunk({"text": one} if isinstance(one, str) else {"functionCall": {"name": one[0], "args": one[1]}})
    yield chunk({"text": ""}, finishReason="STOP")


APIS: dict[str, Callable[[Iterator[Said], int], Iterator[Json]]] = {
    "/messages": _messages,
    "/responses": _responses,
    "/chat/completions": _completions,
    ":streamGenerateContent": _gemini,
}
"""Writers of events, by the end of the request's path."""


class ScriptedApi:
    """The server.

    Attributes:
        prompts: the last user message of each request to the model, exactly, retries included.
        turns: when each request of a turn came, and when it was answered, 0 while it is not (Unix seconds).
        bodies: the requests of turns, while ``keep`` is set: they grow with the conversation.
    """

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.turns: list[list[float]] = []
        self.bodies: list[Json] = []
        self.keep = True
        self.requests = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.connections: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def reply(self, asked: Turn) -> tuple[list[Step], int]:
        """Return what to do in a turn, and the request's number."""
        with self.lock:
            self.requests += 1
            if asked.side:
                return ["Side answer."], self.requests
            if asked.prompt is None:
                return ["The tool has run."], self.requests
            self.prompts.append(asked.prompt)
            if named := _CHOICES.search(asked.prompt):
                return [Question("Which colour?", tuple(named[1].split(",")))], self.requests
            found = _WORD.search(asked.prompt)
            steps = REPLIES[found[1]](int(found[2] or 0)) if found else iter(("Hello from ", "the script."))
            return list(steps), self.requests

    def close(self) -> None:
        """End all requests and free the port."""
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        with self.lock:
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # the agent has gone
                    pass
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing the server waits for them
    api: ScriptedApi


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def handle(self) -> None:
        api = self.server.api
        with api.lock:
            api.connections.add(self.connection)
        try:
            if not api.closing.is_set():
                super().handle()
        except ConnectionError:  # the agent has gone, or the server goes
            pass
        finally:
            with api.lock:
                api.connections.discard(self.connection)

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        path = self.path.partition("?")[0]
        events = next((APIS[end] for end in APIS if path.endswith(end)), None)
        if events is None:
            self.send_error(404)
            return
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = turn(body)
        times = [time.time(), 0.0]
        if not asked.side:
            self.server.api.turns.append(times)
            if self.server.api.keep:
                self.server.api.bodies.append(body)
        try:
            self._answer(asked, events, bool((body.get("stream_options") or {}).get("include_usage")))
        finally:
            times[1] = time.time()

    def _answer(self, asked: Turn, events: Callable[[Iterator[Said], int], Iterator[Json]], counted: bool) -> None:
        steps, number = self.server.api.reply(asked)
        if isinstance(steps[0], Refusal):
            self._refuse(steps[0])
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for event in events(self._said(steps, asked), number):
            name = f"event: {event['type']}\n" if "type" in event else ""
            self.wfile.write(f"{name}data: {json.dumps(event)}\n\n".encode())
        if events is _completions:
            if counted:
                self.wfile.write(f"data: {json.dumps(_counted(number))}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

    def _refuse(self, refusal: Refusal) -> None:
        self.send_response(refusal.status)
        self.send_header("Content-Type", "application/json")
        error: Json = {"type": "api_error", "message": "scripted failure"}
        if refusal.resets:
            at = int(time.time()) + refusal.resets
            for name, value in (("status", "rejected"), ("reset", at), ("representative-claim", "five_hour")):
                self.send_header(f"anthropic-ratelimit-unified-{name}", str(value))
            error = {**error, "type": "usage_limit_reached", "plan_type": "plus", "resets_at": at}
        self.end_headers()
        self.wfile.write(json.dumps({"type": "error", "error": error}).encode())

    def _said(self, steps: list[Step], asked: Turn) -> Iterator[Said]:
        for step in steps:
            if isinstance(step, str):
                yield step
            elif isinstance(step, Pause):
                self.server.api.closing.wait(step.seconds)
            elif isinstance(step, Shell) and asked.chat:
                yield f"\n```bash\n{step.command}\n```\n"
            elif isinstance(step, Shell):
                shell = next(name for name in SHELLS if name in asked.tools)
                yield shell, SHELLS[shell](step.command)
            elif isinstance(step, Question):
                asker = next((name for name in ASKERS if name in asked.tools), [*ASKERS][-1])
                yield asker, ASKERS[asker](step)
