"""Runs commands of the project quickly: a server imports the packages once, and forks a process for each command.

Starting Python and importing the packages takes longer than most commands. A forked process has an environment, a
folder, arguments and standard streams of its own, and it imports the project's own modules itself. Tests start a client
in place of `python`, `flask` or `alembic`; it waits for the end of the command. The client starts the real program
where a forked process would differ: with other options of Python, or in another language. Tests that send signals to a
process, or limit it, start the real program themselves.
"""

import atexit
import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

# The client imports nothing else of the tests, so that it starts at once.
LANGUAGE = "C.UTF-8"
# Modules without a specification are not imported from a file: packages make them.
LIST_PACKAGES = """
import sys, agents_app.app
print(*(name for name, module in sys.modules.items() if getattr(module, "__spec__", None) and "agents_app" not in name))
"""
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
WARNINGS = "PYTHONWARNINGS"
# The longest environment of a command, in bytes.
ENVIRONMENT_MAX = 64 * 1024
# The command that `make setup` installs.
FLASK = str(Path(__file__).resolve().parent.parent / "agents_app" / "flask_command.py")


@cache
def programs() -> Path:
    """A folder with `python`, `flask` and `alembic` that let a server run each command. The first call starts it.

    Where the system cannot do this, it is the folder of the real programs.
    """
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
    words = [sys.executable, "-P", str(tests / "fork_server.py"), address]
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


def serve(address: str) -> None:
    """Import the packages, and answer clients until the standard input is closed."""
    # A package that warns when it is imported ends the tests here, because commands do not import it again.
    words = [sys.executable, "-W", "error", "-c", LIST_PACKAGES]
    names = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    for name in names.split():
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while sys.stdin not in select.select([sys.stdin, listener], [], [])[0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _answer(connection)
            connection.close()


def _answer(connection: socket.socket) -> None:
    # In a process of its own: fork the command, wait for it, and kill it if the client ends before it.
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile() as text:
        request = json.loads(text.readline())
    number = os.fork()
    if number == 0:
        connection.close()
        _run(streams, **request)
    for stream in streams:
        os.close(stream)
    process = os.pidfd_open(number)
    if process not in select.select([process, connection], [], [])[0]:
        os.killpg(number, signal.SIGKILL)
    _, status = os.waitpid(number, 0)
    with contextlib.suppress(OSError):
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _run(streams: list[int], program: str, words: list[str], environment: dict[str, str], folder: str) -> None:
    # Does what Python does when it starts, and runs the program. It does not return.
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    _write_initial_environment()
    os.chdir(folder)
    if WARNINGS in environment:
        # What Python does for the variable: warnings end the program.
        sys.warnoptions.append("error")
        warnings.simplefilter("error")
    if program == "python":
        program, words = words[1], words[2:]
        sys.path.insert(0, folder)
    sys.argv = [program, *words]
    if program == "flask" and sys.path[0] != folder:
        runpy.run_path(FLASK, run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    # Ends the process as Python ends every program. So do the exceptions of the program.
    sys.exit()


def _write_initial_environment() -> None:
    # /proc/self/environ, which the console reads, is this place in the memory of the process.
    text = b"".join(b"%s=%s\0" % pair for pair in os.environb.items())
    begin, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[47:49])
    assert len(text) <= end - begin, "ENVIRONMENT_MAX is too small"
    with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
        memory.seek(begin)
        memory.write(text.ljust(end - begin, b"\0"))


if __name__ == "__main__":
    serve(sys.argv[1])
