"""Runs commands of the project quickly: a server imports the packages once, and forks a process for each command.

Starting Python and importing the packages takes longer than most commands. A forked process has an environment, a
folder, arguments and standard streams of its own. Tests start a client in place of `python`, `flask` or `alembic`; it
waits for the end of the command. The client starts the real program where a forked process would differ: with other
options of Python, or in another language. Tests that send signals to a process, or limit it, start the real program
themselves. The server is `forking.py`.
"""

# Only what the client needs, so that it starts at once.
import json
import os
import socket
import sys
from functools import cache
from pathlib import Path

LANGUAGE = "C.UTF-8"
WARNINGS = "PYTHONWARNINGS"
CLIENT = """#!{python} -IS
import os, sys
sys.path.append({folder!r})
import fork_server
environment = fork_server.initial_environment()
if not fork_server.is_usual(sys.argv, environment):
    os.execve({real!r}, [{real!r}, *sys.argv[1:]], environment)
sys.exit(fork_server.ask({address!r}, {program!r}, environment))
"""
PROGRAMS = ("python", "flask", "alembic")
# The longest environment of a command, in bytes.
ENVIRONMENT_MAX = 64 * 1024


@cache
def programs() -> Path:
    """A folder with `python`, `flask` and `alembic` that let a server run each command. The first call starts it.

    Where the system cannot do this, it is the folder of the real programs.
    """
    import atexit
    import subprocess

    from tests.isolation import HOME
    from tests.project import shared_copy

    if not (hasattr(os, "pidfd_open") and Path("/proc/self/mem").exists()):
        return Path(sys.executable).parent
    folder, tests = HOME / "programs", shared_copy() / "tests"
    address = str(HOME / "fork-server")
    folder.mkdir()
    for program in PROGRAMS:
        real = str(Path(sys.executable).with_name(program))
        text = CLIENT.format(python=sys.executable, folder=str(tests), real=real, address=address, program=program)
        (folder / program).write_text(text)
        (folder / program).chmod(0o755)
    words = [sys.executable, "-P", str(tests / "forking.py"), address]
    environment = {"PATH": os.environ["PATH"], "LANG": LANGUAGE, "ROOM": " " * ENVIRONMENT_MAX}
    # Python asks once whether a stream is a file. Of the commands, none is.
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    server = subprocess.Popen(words, **pipes, cwd=tests.parent, env=environment, start_new_session=True)
    # The server ends when its standard input is closed, also if this process is killed.
    atexit.register(server.communicate)
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    return folder


def is_usual(argv: list[str], environment: dict[str, str]) -> bool:
    """Whether a forked process would not differ from the real program."""
    languages = {environment.get("LANG"), *(environment.get(name, LANGUAGE) for name in ("LC_ALL", "LC_CTYPE"))}
    settings = {name: value for name, value in environment.items() if name.startswith("PYTHON")}
    is_python = argv[0].endswith("python")
    return (
        languages == {LANGUAGE}
        and settings in ({}, {WARNINGS: "error"})
        # The server has imported the package, which reads the variable.
        and "AGENT_CONSOLE_HOME" not in environment
        and (not is_python or (argv[1:2] == ["-m"] and argv[2:3] in (["flask"], ["alembic"])))
    )


def initial_environment() -> dict[str, str]:
    """The environment with which this process was started. Python can add a variable for the language to it."""
    variables = Path("/proc/self/environ").read_bytes().split(b"\0")
    return {
        os.fsdecode(name): os.fsdecode(value) for name, _, value in (one.partition(b"=") for one in variables if one)
    }


def ask(address: str, program: str, environment: dict[str, str]) -> int:
    """Let the server run the command line of this process, and return its exit code."""
    request = {"program": program, "words": sys.argv[1:], "environment": environment, "folder": str(Path.cwd())}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [b" "], [0, 1, 2])
        connection.sendall(json.dumps(request).encode() + b"\n")
        code = int(connection.makefile().readline())
    if code < 0:
        os.kill(os.getpid(), -code)
    return code
