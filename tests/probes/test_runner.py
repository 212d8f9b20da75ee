"""A probe runs in a child process of which nothing remains, whatever the child, its driver or its parent does.

Where a case needs a child that misbehaves, a program of the test takes the place of the child's program.
"""

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from agents_app.probes import runner
from agents_app.probes.__main__ import MEMORY_BYTES
from agents_app.probes.causes import CAUSES
from agents_app.probes.mssql.probe import failures
from agents_app.probes.mysql.errors import driver_errors
from agents_app.probes.recorder import Recorder
from agents_app.probes.results import Finding, Outcome, Result
from agents_app.probes.runner import Request
from agents_app.probes.transcript import Transcript
from tests.probes.postgresql.postgres_tls import PASSWORD, TlsServer
from tests.probes.trying import LOOPBACK
from tests.project import copy_project

# A test that hangs fails after this time. No test that passes takes a part of it.
GUARD_SECONDS = 30.0
# With `held.recv(1)` after it, a child waits without end. Its connection shows the test whether the child lives, and
# ends the child if the test fails.
CONNECT = "import socket; held = socket.create_connection(('127.0.0.1', {port}));"
BEGUN = 'print(\'{"begin": "connect"}\', flush=True);'
# What a child does in place of a probe, and the cause that follows.
FAULTS = {
    "ends without a word": ("", "internal_error"),
    "ends in the middle": (BEGUN, "internal_error"),
    "is killed": (BEGUN + "os.kill(os.getpid(), 9)", "internal_error"),
    "has an exit code": ("sys.exit(3)", "internal_error"),
    "prints text": ("print('psycopg2: FATAL')", "internal_error"),
    "prints bytes": ("sys.stdout.buffer.write(bytes(range(256)) + b'\\n')", "internal_error"),
    "prints other JSON": ("print('[1]', flush=True); sys.stdin.read()", "internal_error"),
    "prints an unknown step": ('print(\'{"end": "x", "outcome": "good", "ms": 1}\')', "internal_error"),
    "prints deep JSON": ("print('[' * 100_000)", "internal_error"),
    "prints an unknown cause": ('print(\'{"cause": "x", "facts": {}}\\n{"done": true}\')', "internal_error"),
    "prints without end": ("while True: print('x' * 65_536)", "internal_error"),
    "prints lines without end": ("while True: print('{\"known\": {}}')", "internal_error"),
}
HANGING = """
def run(values, rules, recorder):
    import signal, socket
    signal.alarm({alarm})
    with recorder.step("connect"):
        connection = socket.create_connection(("127.0.0.1", values["port"]))
        connection.sendall(b"!")
        while True:
            signal.pause()
"""
SERVER_OF_TESTS = """
from agents_app.probes.network.addresses import AddressRules
from agents_app.probes.runner import Request, run
run([Request("{probe}", {{"port": {port}}}, AddressRules())])
"""
# Code in C that computes, so that no other thread of the child runs. Its alarm is for a test that fails.
COMPUTING = HANGING.replace("signal.pause()", "re.fullmatch('(a+)+', 'a' * 60 + '!')").replace("signal,", "re, signal,")


def replace_child(monkeypatch: pytest.MonkeyPatch, program: str, folder: Path) -> None:
    """A program in place of the child's. The first line of its input is `line`."""
    text = f"import os, subprocess, sys, time; line = sys.stdin.readline(); {program}"
    monkeypatch.setattr(runner, "COMMAND", [sys.executable, "-c", text])
    monkeypatch.setattr(runner, "ROOT", folder)


def begin_run(*requests: Request) -> tuple[threading.Thread, list[Result]]:
    """Run the requests in a thread, and add the results to the list."""
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.extend(runner.run(requests)), daemon=True)
    thread.start()
    return thread, results


def run_all(*requests: Request) -> list[Result]:
    thread, results = begin_run(*requests)
    thread.join(GUARD_SECONDS)
    assert not thread.is_alive(), "run waits for a child"
    return results


def run_one(values: dict[str, Any] | None = None) -> Result:
    (result,) = run_all(Request("postgresql", values or {"host": "localhost"}, LOOPBACK))
    return result


@pytest.mark.parametrize("case", FAULTS)
def test_a_child_that_misbehaves_is_a_fault_of_the_console(
    case: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program, code = FAULTS[case]
    # Nothing of this is found by the limit.
    monkeypatch.setattr(runner, "LIMIT_SECONDS", 2 * GUARD_SECONDS)
    replace_child(monkeypatch, f"exec({program!r})", tmp_path)

    result = run_one()

    assert result.cause
    assert (result.outcome, result.cause.code) == (Outcome.FAILED, code)
    assert "FATAL" not in str(result)


def test_after_the_limit_the_cause_follows_from_the_step_that_was_running(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begin = "name = json.loads(line)['values']['step']; name and print(json.dumps({'begin': name}), flush=True)"
    end = "name == 'done' and print(json.dumps({'end': name, 'outcome': 'passed', 'ms': 1})); name == 'done' and print"
    monkeypatch.setattr(runner, "LIMIT_SECONDS", 4.0)
    expected = {"": "console_busy", "resolve": "dns_failed", "connect": "timed_out", "query": "server_slow"}

    with socket.create_server(("127.0.0.1", 0)) as listener:
        connect = CONNECT.format(port=listener.getsockname()[1])
        program = f"import json; {begin}; {end}('{{\"done\": true}}', flush=True); {connect} held.recv(1)"
        replace_child(monkeypatch, program, tmp_path)
        *results, done = run_all(*(Request("model", {"step": step}, LOOPBACK) for step in (*expected, "done")))

    # A child that is late does not change the result of another one.
    assert done.outcome is Outcome.PASSED
    assert [result.cause.code for result in results if result.cause] == list(expected.values())
    assert [[step.name for step in result.steps] for result in results] == [[], ["resolve"], ["connect"], ["query"]]
    assert all(CAUSES[result.cause.code].what.format(**result.cause.facts) for result in results if result.cause)


def test_after_the_limit_a_test_between_two_steps_blames_neither_the_console_nor_the_network() -> None:
    transcript = Transcript()
    for message in ({"begin": "tables"}, {"end": "tables", "outcome": "passed", "ms": 1}):
        transcript.add(json.dumps(message).encode())

    result = transcript.result("db.example.org", is_late=True)

    assert result.cause == Finding("test_unfinished", {"host": "db.example.org"})
    assert [step.outcome for step in result.steps] == [Outcome.PASSED]


@pytest.mark.parametrize("is_late", [True, False])
def test_a_reported_cause_stays_the_cause_if_the_child_does_not_end_by_itself(is_late: bool) -> None:
    transcript = Transcript()
    failed = {"end": "sign_in", "outcome": "failed", "ms": 1}
    for message in ({"begin": "sign_in"}, failed, {"cause": "password_missing", "facts": {"username": "x"}}):
        transcript.add(json.dumps(message).encode())

    result = transcript.result("localhost", is_late)

    assert result.cause == Finding("password_missing", {"username": "x"})
    assert [(step.name, step.outcome) for step in result.steps] == [("sign_in", Outcome.FAILED)]


@pytest.mark.parametrize(
    "value",
    [
        *(str(2**64), "-9007199254740992", "NaN", "-Infinity", "1e300", '"\\u0000"', '"\\ud800"', '{"\\u0000": 1}'),
        *(json.dumps("x" * 200_000), json.dumps([0] * 10_000), "[" * 9 + "]" * 9),
    ],
    ids=lambda value: value[:12],
)
def test_a_value_that_cannot_be_stored_or_shown_is_a_cause_and_is_not_read(value: str) -> None:
    transcript = Transcript()
    transcript.add(b'{"begin": "tables"}')
    transcript.add(b'{"known": {"tables": %s}}' % value.encode())

    result = transcript.result("db.example.org", is_late=False)

    assert transcript.is_done
    assert result.cause == Finding("answer_not_understood", {"host": "db.example.org"})
    assert [(step.name, step.outcome) for step in result.steps] == [("tables", Outcome.FAILED)]
    assert result.facts == {}


def test_without_a_free_file_descriptor_the_console_is_busy() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 50, hard))
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        results = [run_one()]
        # One is for the selector, and a pipe needs two.
        for _ in range(2):
            os.close(taken.pop())

        results.append(run_one())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)

    assert [result.cause for result in results] == [Finding("console_busy")] * 2


def test_a_child_is_ended_with_everything_that_it_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(runner, "LIMIT_SECONDS", 2 * GUARD_SECONDS)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(GUARD_SECONDS)
        connect = CONNECT.format(port=listener.getsockname()[1])
        stubborn = f"import signal; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; {connect} held.recv(1)"
        program = f"{connect} subprocess.Popen([sys.executable, '-c', {stubborn!r}]); held.recv(1);"
        replace_child(monkeypatch, f"{program} print('{{\"done\": true}}', flush=True); held.recv(1)", tmp_path)

        thread, results = begin_run(Request("postgresql", {}, LOOPBACK))
        with listener.accept()[0] as child, listener.accept()[0] as grandchild:
            child.sendall(b"\n")
            for connection in (child, grandchild):
                connection.settimeout(GUARD_SECONDS)
                # A connection is closed when its process ends.
                assert connection.recv(1) == b""
        thread.join(GUARD_SECONDS)

    assert [result.outcome for result in results] == [Outcome.PASSED]


def test_a_child_gets_no_variable_of_a_driver_and_no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "PGPASSWORD",
        "PGSERVICE",
        "HTTPS_PROXY",
        "https_proxy",
        "DATABASE_URL",
        "SECRET_KEY",
        "PYTHONSTARTUP",
    ):
        monkeypatch.setenv(name, PASSWORD)
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/ssl/cert.pem")
    show = "import json; print(json.dumps({'known': dict(os.environ)})); print('{\"done\": true}')"
    replace_child(monkeypatch, show, tmp_path)

    found = run_one().facts

    assert found.keys() - {"LC_CTYPE"} == {"PATH", "HOME", "LANG", "SSL_CERT_FILE"}
    assert PASSWORD not in str(found)


def test_large_values_reach_the_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    replace_child(monkeypatch, 'print(\'{"known": {"size": %d}, "done": true}\' % len(line))', tmp_path)
    monkeypatch.setattr(runner, "LIMIT_SECONDS", 5.0)

    assert run_one({"table_allow_list": ["x" * 256] * 4_000}).facts["size"] > 1_000_000


def test_nothing_remains_of_tests_that_pass_or_fail(postgres_tls: TlsServer) -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    values = [postgres_tls.values(), postgres_tls.values(password="not it"), postgres_tls.values(sslmode="require")]

    results = runner.run([Request("postgresql", one, LOOPBACK) for one in values])

    assert [result.outcome for result in results] == [Outcome.PASSED, Outcome.FAILED, Outcome.WARNING]
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    assert [pid for pid in children if "agents_app.probes" in Path(f"/proc/{pid}/cmdline").read_text()] == []
    assert [thread.name for thread in threading.enumerate() if "probe" in thread.name] == []


def test_the_password_is_in_no_process_list_and_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LIMIT_SECONDS", 5.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        values = {"host": "localhost", "port": silent.getsockname()[1], "database": "x", "username": "x"}
        request = Request("postgresql", {**values, "password": PASSWORD, "sslmode": "require"}, LOOPBACK)
        thread, results = begin_run(request)
        with silent.accept()[0] as connection:
            lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
            # An answer that no server of PostgreSQL sends ends the test.
            connection.sendall(b"?")
            thread.join()

    assert any(b"agents_app.probes" in line for line in lines)
    assert not any(PASSWORD.encode() in line for line in lines)
    assert results[0].cause
    assert PASSWORD not in str(results)


@pytest.fixture(scope="module")
def hanging_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which a probe connects to a port and then never ends. It has no alarm of its own."""
    folder = copy_project(tmp_path_factory.mktemp("hanging") / "project", ("agents_app",))
    (folder / "agents_app/probes/postgresql/probe.py").write_text(HANGING.format(alarm=0))
    return folder


@pytest.mark.parametrize("probe", ["postgresql", "power_bi"])
def test_a_child_ends_when_its_parent_is_killed_also_while_it_computes(probe: str, hanging_copy: Path) -> None:
    (hanging_copy / "agents_app/probes/power_bi/probe.py").write_text(COMPUTING.format(alarm=90))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        program = SERVER_OF_TESTS.format(probe=probe, port=listener.getsockname()[1])
        parent = subprocess.Popen([sys.executable, "-c", program], cwd=hanging_copy)
        with listener.accept()[0] as connection:
            connection.settimeout(60)
            assert connection.recv(1) == b"!"
            parent.kill()
            parent.wait()
            # The connection is closed when the child ends.
            assert connection.recv(1) == b""


def test_a_child_without_a_parent_that_ends_is_ended_by_its_alarm(hanging_copy: Path) -> None:
    main = hanging_copy / "agents_app/probes/__main__.py"
    main.write_text(main.read_text().replace("ALARM_SECONDS = 12", "ALARM_SECONDS = 1"))
    (hanging_copy / "agents_app/probes/model/probe.py").write_text(HANGING.replace("signal.alarm({alarm})", ""))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        request = Request("model", {"port": listener.getsockname()[1]}, LOOPBACK).to_line()
        command = [sys.executable, "-m", "agents_app.probes"]
        child = subprocess.Popen(command, cwd=hanging_copy, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert child.stdin
        child.stdin.write(request)
        child.stdin.flush()

        assert child.wait() == -signal.SIGALRM
        child.stdin.close()


def output_of_mysql_probe(folder: Path, values: dict[str, Any]) -> bytes:
    command = [sys.executable, "-m", "agents_app.probes"]
    child = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with child.stdin, child.stdout:
        child.stdin.write(Request("mysql", values, LOOPBACK).to_line())
        child.stdin.flush()
        output: bytes = child.stdout.read()
        child.wait()
    return output


def test_a_server_that_fills_the_memory_of_the_child_has_sent_too_much(hanging_copy: Path) -> None:
    (hanging_copy / "agents_app/probes/mysql/probe.py").write_text("def run(*given):\n    bytes(1 << 40)\n")
    output = output_of_mysql_probe(hanging_copy, {"host": "db.example.org"})

    assert b'{"cause": "answer_too_large", "facts": {"host": "db.example.org"}}' in output
    for driver in (driver_errors({}), failures({})):
        with pytest.raises(MemoryError), driver:
            raise MemoryError


def test_a_fault_of_a_probe_says_where_it_is_and_nothing_of_its_text(hanging_copy: Path) -> None:
    # The first line is what a library in C does.
    fault = f"import os\ndef run(*given):\n    os.write(1, {PASSWORD.encode()!r})\n    raise KeyError({PASSWORD!r})\n"
    (hanging_copy / "agents_app/probes/mysql/probe.py").write_text(fault)
    output = output_of_mysql_probe(hanging_copy, {})

    assert b'"fault": "mysql/probe.py:4 KeyError"' in output
    assert PASSWORD.encode() not in output


LIMITS = """
import resource
from pathlib import Path

def run(values, rules, recorder):
    limits = [resource.getrlimit(kind) for kind in (resource.RLIMIT_CORE, resource.RLIMIT_AS)]
    recorder.know(limits=limits, oom_score=Path("/proc/self/oom_score_adj").read_text().strip())
"""


@pytest.mark.parametrize("lower", ["", "ulimit -c 0; ulimit -v 400000;"])
def test_a_child_leaves_no_core_and_is_the_first_to_end_where_memory_is_short(lower: str, hanging_copy: Path) -> None:
    (hanging_copy / "agents_app/probes/mssql/probe.py").write_text(LIMITS)
    command = ["sh", "-c", f"{lower} exec {sys.executable} -m agents_app.probes"]
    child = subprocess.Popen(command, cwd=hanging_copy, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with child.stdin, child.stdout:
        child.stdin.write(Request("mssql", {}, LOOPBACK).to_line())
        child.stdin.flush()
        known = json.loads(child.stdout.readline())["known"]
        child.wait()

    # With a limit of 1 byte, not even the program of the system that collects cores gets one.
    core, memory = (0, 400_000 << 10) if lower else (1, MEMORY_BYTES)
    assert known == {"limits": [[core, core], [memory, memory]], "oom_score": "1000"}


def test_of_very_many_statements_only_the_first_are_reported() -> None:
    sent: list[Any] = []

    Recorder(sent.append).suggest(*["x" * 1_000] * 10_000)

    (message,) = sent
    assert message["statements"][-1].startswith("--")
    assert len(json.dumps(message)) < 100_000


@pytest.mark.parametrize("name", ["a\u202eb", "a\x1b[2J", "a\nGO", "a\n-- b", "a\u200b", "a\r"])
def test_a_statement_with_characters_that_cannot_be_seen_is_not_reported(name: str) -> None:
    sent: list[Any] = []
    note = "-- This right was granted to PUBLIC.\nREVOKE SELECT ON x FROM PUBLIC;"

    Recorder(sent.append).suggest(note, f"REVOKE SELECT ON `{name}` FROM reader;")

    assert sent[0]["statements"][0] == note
    assert [line.startswith("--") for line in sent[0]["statements"]] == [True, True]
    assert name not in sent[0]["statements"][1]


def test_the_child_imports_no_driver_before_it_is_used(hanging_copy: Path) -> None:
    program = "import sys, agents_app.probes.__main__, agents_app.probes.runner; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], cwd=hanging_copy, capture_output=True, text=True, check=True)

    heavy = {
        "psycopg2",
        "pymysql",
        "msal",
        "urllib3",
        "requests",
        "pydantic",
        "cryptography",
        "sqlalchemy",
        "flask",
        "ssl",
    }
    assert heavy & set(done.stdout.split()) == set()
