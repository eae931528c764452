"""Sessions from scripts: new, ls, has, info, rename, label."""

from __future__ import annotations

import os
import stat
import sys

import pytest
from world import World


def test_a_first_session_starts_the_server_and_is_listed(world: World) -> None:
    ran = world.run("new", "-d", "-s", "api", "--", "cat").ok()
    assert ran.out == ""
    head, line = world.run("ls").ok().lines
    assert head.split() == ["ID", "NAME", "STATUS", "SINCE", "AGE", "ATTACHED", "SIZE", "COMMAND", "CWD"]
    assert line.split()[:3] == ["1", "api", "unknown"]
    assert line.split()[5:] == ["0", "120x40", "cat", world.home]


def test_ls_without_sessions_prints_nothing(world: World) -> None:
    assert world.run("ls").ok().out == ""
    assert world.run("ls", "--json").ok().json == []
    assert world.run().ok().out == ""


def test_new_prints_the_id_or_everything_as_json(world: World) -> None:
    assert world.run("new", "-d", "-P", "--", "cat").ok().out == "1\n"
    made = world.run("new", "-d", "--json", "-s", "two", "--", "cat", "-u").ok().json
    assert made["id"] == 2
    assert made["name"] == "two"
    assert made["argv"] == ["cat", "-u"]
    assert made["command"] == "cat -u"
    assert made["state"] == "running"
    assert made["exit_status"] is None
    assert made["attached"] == 0
    assert made["size"] == [120, 40]
    assert made["cwd"] == world.home
    keys = {"id", "name", "state", "exit_status", "command", "cwd", "age", "attached", "size"}
    assert keys <= made.keys()
    assert keys <= world.info("two").keys()
    (listed,) = [row for row in world.run("ls", "--json").ok().json if row["id"] == 2]
    assert keys <= listed.keys()


def test_sessions_are_named_after_their_program(world: World) -> None:
    for _ in range(3):
        world.run("new", "-d", "--", "/bin/cat").ok()
    assert world.names() == ["cat", "cat-2", "cat-3"]


def test_a_session_without_a_command_runs_the_users_shell(world: World) -> None:
    world.run("new", "-d", "-s", "shell").ok()
    assert world.info("shell")["command"] == "/bin/sh"
    world.run("send", "-t", "shell", "echo $((6*7))").ok()
    world.shows("shell", "42")


def test_new_takes_directory_variables_size_and_labels(world: World) -> None:
    os.mkdir(f"{world.home}/work")
    code = "import os; print(os.getcwd(), os.environ['TEAM'], os.environ['EMPTY'] == '', os.get_terminal_size())"
    options = ["-c", "work", "-e", "TEAM=red=blue", "-e", "EMPTY=", "-x", "90", "-y", "30"]
    world.python("made", code, options=[*options, "--label", "team=red", "--label", "kind=test"])
    assert world.exited("made") == 0
    assert world.screen("made") == [f"{world.home}/work red=blue True os.terminal_size(columns=90, lines=30)"]
    info = world.info("made")
    assert info["cwd"] == f"{world.home}/work"
    assert info["labels"] == {"kind": "test", "team": "red"}
    assert info["size"] == [90, 30]
    assert sorted(info["env_names"]) == ["EMPTY", "TEAM"]


def test_new_A_keeps_a_session_that_runs(world: World) -> None:  # noqa: N802 - tmux's option
    world.run("new", "-d", "-A", "-s", "one", "--", "cat").ok()
    pid = world.info("one")["pid"]
    world.run("new", "-d", "-A", "-s", "one", "--", "cat").ok()
    assert world.names() == ["one"]
    assert world.info("one")["pid"] == pid
    world.run("new", "-d", "-A", "--", "cat").failed("new: -A needs a name", "give one with -s", status=2)


def test_a_name_that_runs_is_taken_and_one_that_ended_is_free(world: World) -> None:
    world.new("api", "cat")
    world.run("new", "-d", "-s", "api", "--", "cat").failed(
        "a session named 'api' is running", "attach to it with: agentmux attach -t api"
    )
    world.run("kill", "-t", "api").ok()
    world.new("api", "cat")
    assert world.names("-a") == ["api", "api"]


def test_a_name_that_no_target_could_name_is_refused(world: World) -> None:
    for name in ("7", "a b", "-x", "a/b", "x" * 65, "a\nb", "é"):
        ran = world.run("new", "-d", f"--name={name}", "--", "cat")
        assert ran.status == 1, name
        assert "can't be a session name" in ran.err.splitlines()[0]
    assert world.names("-a") == []


def test_ids_are_never_reused(world: World) -> None:
    assert world.new("a", "cat") == 1
    world.run("kill", "-t", "a").ok()
    assert world.new("b", "cat") == 2
    world.run("kill-server").ok()
    assert world.new("c", "cat") == 3


def test_ls_filters_formats_and_lists_ids(world: World) -> None:
    world.new("api", "cat", options=["--label", "team=red"])
    world.new("web", "cat")
    world.new("done", "true")
    world.exited("done")
    assert world.names() == ["api", "web"]
    assert world.names("-a") == ["api", "web", "done"]
    assert world.run("ls", "-q").ok().lines == ["1", "2"]
    assert world.run("ls", "-aq").ok().lines == ["1", "2", "3"]
    assert world.run("ls", "-F", r"{name}\t{state}\t{labels.team}").ok().lines == [
        "api\trunning\tred",
        "web\trunning\t",
    ]
    assert world.names("-f", "name=api") == ["api"]
    assert world.names("-f", "name!=api") == ["web"]
    assert world.names("-f", "name~^w") == ["web"]
    assert world.names("-f", "labels.team=red") == ["api"]
    assert world.names("-a", "-f", "state=exited") == ["done"]
    assert world.run("ls", "-a", "--json", "-f", "name=done").ok().json[0]["exit_status"] == 0
    assert "exited 0" in world.run("ls", "-a").ok().lines[3]
    world.run("ls", "-f", "nonsense").failed("'nonsense' is no filter", "write KEY=VALUE", status=2)
    world.run("ls", "-f", "name~(").failed("'(' is no regular expression", status=2)
    world.run("ls", "-f", "name~a{99999999999}").failed("'a{99999999999}' is no regular expression", status=2)
    world.run("ls", "-F", "{nonsense}").failed("no field 'nonsense' to format", "fields: id, name", status=2)


def test_what_programs_are_called_cannot_write_to_the_users_terminal(world: World) -> None:
    world.python(
        "evil", "import time; print('\\x1b]2;ti\\x9dtle\\x07', flush=True); time.sleep(60)", "\x1b[31mred\n\x9b"
    )
    for ran in (world.run("ls"), world.run("info", "-t", "evil"), world.run("ls", "-F", "{command} {cwd}")):
        assert "\x1b" not in ran.ok().out
        assert "\x9b" not in ran.out
    assert world.run("ls", "--json").ok().json[0]["argv"][-1] == "\x1b[31mred\n\x9b"


def test_has_is_silent_and_says_it_by_its_status(world: World) -> None:
    world.new("api", "cat")
    assert (world.run("has", "-t", "api").status, world.run("has", "-t", "api").raw) == (0, b"")
    for target in ("apis", "99", ""):
        ran = world.run("has", "-t", target)
        assert (ran.status, ran.out, ran.err) == (1, "", "")
    world.run("kill", "-t", "api").ok()
    assert world.run("has", "-t", "api").status == 1


def test_info_shows_everything_for_people_and_programs(world: World) -> None:
    world.python("api", "import time; print('\\x1b]2;a title\\x07hello', flush=True); time.sleep(60)")
    world.shows("api", "hello")
    facts = world.info("api")
    assert facts["title"] == "a title"
    assert facts["recorded_bytes"] == len("\x1b]2;a title\x07hello\r\n")
    assert facts["pid"] in world.pids()
    lines = {
        line.split()[0]: line[len("recorded_bytes") :].strip() for line in world.run("info", "-t", "api").ok().lines
    }
    assert lines["name"] == "api"
    assert lines["size"] == "120x40"


def test_rename_and_label_change_what_targets_find(world: World) -> None:
    world.new("old", "cat")
    world.run("rename", "-t", "old", "new").ok()
    assert world.run("has", "-t", "old").status == 1
    assert world.names() == ["new"]
    world.run("label", "-t", "new", "team=red", "kind=web").ok()
    assert world.run("label", "-t", "new").ok().lines == ["team=red", "kind=web"]
    assert world.run("label", "-t", "new", "--json").ok().json == {"kind": "web", "team": "red"}
    assert world.run("info", "-t", "team=red", "--json").ok().json["name"] == "new"
    assert world.run("info", "-t", "web", "--json").ok().json["name"] == "new"
    world.run("label", "-t", "new", "kind=").ok()
    assert world.run("label", "-t", "new").ok().lines == ["team=red"]
    world.new("other", "cat")
    world.run("rename", "-t", "other", "new").failed("a session named 'new' is running", "attach to it")
    world.run("rename", "-t", "other", "1").failed("'1' can't be a session name: it looks like an id", "use letters")
    world.run("label", "-t", "new", "noequals").failed("label 'noequals' is not KEY=VALUE", status=2)


def test_targets_are_ids_names_prefixes_and_labels(world: World) -> None:
    world.new("api", "cat")
    world.new("api-two", "cat")
    world.new("web", "cat", options=["--label", "team=red"])

    def named(target: str) -> str:
        return str(world.run("info", "-t", target, "--json").ok().json["name"])

    assert [named(target) for target in ("1", "api", "api-", "w", "team=red", "red")] == [
        "api", "api", "api-two", "web", "web", "web",
    ]  # fmt: skip
    world.run("info", "-t", "ap").failed("target 'ap' matches more than one session", "name one of: api, api-two")
    world.run("info", "-t", "apis").failed("no session named 'apis'", "did you mean 'api'?")
    world.run("info", "-t", "zzz").failed("no session named 'zzz'", "list them with: agentmux ls -a")
    world.run("info", "-t", "99").failed("no session named '99'", "list them with: agentmux ls -a")


def test_without_a_target_the_last_session_is_meant(world: World) -> None:
    world.run("info").failed("no sessions", "start one with: agentmux new")
    world.new("one", "cat")
    world.new("two", "cat")
    assert world.run("info", "--json").ok().json["name"] == "two"


def test_inside_a_session_it_is_the_target_itself(world: World) -> None:
    world.new("inner", "/bin/sh", "-c", "read go; agentmux rename found; echo renamed; exec cat")
    world.new("later", "cat")
    world.run("send", "-t", "inner", "go").ok()
    world.shows("1", "renamed")
    assert world.names() == ["found", "later"]


def test_another_server_has_a_socket_of_its_own(world: World) -> None:
    world.sockets += [f"{world.runtime}/agentmux/work", f"{world.root}/own/sock"]
    world.new("here", "cat")
    world.run("-L", "work", "new", "-d", "-s", "there", "--", "cat").ok()
    world.run("-S", f"{world.root}/own/sock", "new", "-d", "-s", "elsewhere", "--", "cat").ok()
    assert world.names() == ["here"]
    assert world.run("-L", "work", "ls", "-F", "{name}").ok().lines == ["there"]
    assert world.run("-Lwork", "ls", "-F", "{name}").ok().lines == ["there"]
    assert world.run("-S", f"{world.root}/own/sock", "ls", "-F", "{name}").ok().lines == ["elsewhere"]
    assert stat.S_IMODE(os.stat(f"{world.root}/own").st_mode) == 0o700
    world.run("-L", "a/b", "ls").failed("'a/b' can't be a server name: it has a '/'", "give a path with -S", status=2)
    world.run("-L").failed("option '-L' needs a value", "see: agentmux --help", status=2)


def test_a_command_inside_a_session_goes_to_the_server_of_the_session(world: World) -> None:
    world.sockets.append(f"{world.runtime}/agentmux/work")
    world.run("-L", "work", "new", "-d", "-s", "in", "--", "/bin/sh", "-c", "agentmux ls -F '<{name}>'; exec cat").ok()
    ran = world.run("-L", "work", "wait", "-t", "in", "--output", "<in>", "--timeout", "20")
    assert ran.status == 0, ran


def test_commands_that_need_a_server_say_that_there_is_none(world: World) -> None:
    for word in ("events", "kill-server", "detach"):
        world.run(word).failed(f"no server running on {world.socket}", "start a session with: agentmux new")
    assert world.pids() == {}


def test_usage_errors_have_status_2_and_name_what_is_wrong(world: World) -> None:
    world.run("nwe").failed("no command named 'nwe'", "did you mean 'new'?", status=2)
    world.run("--nonsense").failed("unknown option '--nonsense'", "see: agentmux --help", status=2)
    world.run("ls", "--nonsense").failed("ls: no such option: --nonsense", "see: agentmux ls --help", status=2)
    world.run("new", "-d", "-x", "wide").failed("new: invalid value for '-x'", "see: agentmux new --help", status=2)
    world.run("new", "-d", "-e", "novalue").failed("-e 'novalue' is not KEY=VALUE", status=2)
    world.run("rename").failed("rename: missing argument 'name'", "see: agentmux rename --help", status=2)


def test_help_and_version_need_no_server(world: World) -> None:
    assert world.run("--version").ok().out.startswith("agentmux ")
    assert "\n  new " in world.run("--help").ok().out
    for name in ("ls", "attach", "dashboard", "doctor"):  # run by server, by both, and by the client: these ask nobody
        assert f"Usage: agentmux {name}" in world.run(name, "--help").ok().out
    assert world.run("list-sessions", "--help").ok().out == world.run("ls", "--help").ok().out
    assert world.pids() == {}


def test_a_program_that_cannot_start_is_told_with_its_reason_and_stays_on_record(world: World) -> None:
    script = f"{world.home}/script"
    with open(script, "w") as file:
        file.write("#!/bin/sh\n")
    world.run("new", "-d", "-s", "none", "--", "no-such-program").failed(
        "cannot run 'no-such-program': no such command"
    )
    world.run("new", "-d", "-s", "path", "--", "./nowhere").failed("cannot run './nowhere': no such file or directory")
    world.run("new", "-d", "-s", "mode", "--", "./script").failed("cannot run './script': permission denied")
    world.run("new", "-d", "-s", "cwd", "-c", "/nowhere", "--", "cat").failed(
        "cannot run 'cat': folder '/nowhere' does not exist"
    )
    os.chmod(script, 0o755)
    with open(script, "w") as file:
        file.write("#!/no/such/interpreter\n")
    world.run("new", "-d", "-s", "interpreter", "--", "./script").failed("cannot run './script': ")
    with open(script, "wb") as file:
        file.write(b"\x7fELFnonsense")
    world.run("new", "-d", "-s", "format", "--", "./script").failed("cannot run './script': exec format error")
    assert world.names() == []
    rows = {row["name"]: row for row in world.run("ls", "-a", "--json").ok().json}
    assert {name: row["exit_status"] for name, row in rows.items()} == {
        "none": 127, "path": 127, "mode": 126, "cwd": 127, "interpreter": 127, "format": 126,
    }  # fmt: skip
    assert {row["state"] for row in rows.values()} == {"exited"}
    with open(script, "w") as file:
        file.write("#!/bin/sh\nexec cat\n")
    world.run("restart", "-t", "format").ok()
    assert world.names() == ["format"]


def test_without_a_terminal_new_needs_d_and_attach_cannot(world: World) -> None:
    no_tty = "standard input and output are not a terminal"
    world.run("new", "--", "cat").failed(no_tty, "use -d to start a session without attaching")
    assert world.names("-a") == []
    world.new("api", "cat")
    ran = world.run("attach", "-t", "api")
    assert ran.status == 1
    assert ran.err.splitlines()[0] == f"agentmux: {no_tty}"


def test_attach_inside_a_session_is_refused_until_forced(world: World) -> None:
    world.new("api", "cat")
    inside = {"AGENTMUX": f"{world.socket},1", "AGENTMUX_SESSION": "1"}
    terminal = world.terminal("attach", "-t", "api", env=inside)
    assert terminal.ended() == 1
    assert terminal.rows()[:2] == [
        "agentmux: already inside a session: attaching would show it inside itself",
        "agentmux: unset AGENTMUX to force",
    ]
    assert world.terminal("new", "--", "cat", env=inside).ended() == 1
    assert world.names("-a") == ["api"]
    forced = world.terminal(argv=["/bin/sh", "-c", "unset AGENTMUX; exec agentmux attach -t api"], env=inside)
    world.run("send", "-t", "api", "forced").ok()
    forced.shows("forced")


def test_restart_runs_the_same_command_again_in_the_same_session(world: World) -> None:
    world.python("api", "import os; print('run', os.environ['N'], flush=True); os.read(0, 1); raise SystemExit(3)",
                 options=["-e", "N=5", "-x", "100", "-y", "20"])  # fmt: skip
    world.shows("api", "run 5")
    world.run("restart", "-t", "api").failed("session 'api' is running", "end it first with: agentmux kill -t api")
    world.run("send", "-t", "api", "").ok()
    assert world.exited("api") == 3
    world.run("send", "-t", "api", "x").failed(
        "session 'api' is not running (exited)", "start it again with: agentmux restart -t api"
    )
    world.run("restart", "-t", "api").ok()
    info = world.info("api")
    assert (info["id"], info["state"], info["exit_status"], info["starts"]) == (1, "running", None, 2)
    assert info["size"] == [100, 20]
    world.shows("api", "run 5")
    pid = info["pid"]
    world.run("restart", "-k", "-t", "api").ok()
    assert world.info("api")["pid"] != pid


@pytest.mark.skipif(sys.platform != "linux", reason="needs a command longer than a pipe")
def test_a_very_long_command_line_is_an_error_or_works_but_breaks_nothing(world: World) -> None:
    world.new("long", "cat", *["x" * 100_000] * 10)
    assert len(world.info("long")["argv"]) == 11
    world.new("after", "cat")
    assert world.names() == ["long", "after"] or world.names() == ["after"]
