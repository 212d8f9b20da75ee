"""The server of `fork_server.py`, a program of its own: it imports the packages once, and forks for each command.

The project's own modules belong to a folder. The server forks a second server for each of the last folders, which
carries out the imports of `wsgi.py` or `migrations/env.py`, with which every command of that program begins, and no
other import. It is used as long as no module of the folder changes. Where these imports fail or warn, and where a
command names another file to begin with, the command imports the modules itself.
"""

import ast
import contextlib
import gc
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
from pathlib import Path

# Modules without a specification are not imported from a file: packages make them.
LIST_PACKAGES = """
import sys, agents_app.app
print(*(name for name, module in sys.modules.items() if getattr(module, "__spec__", None) and "agents_app" not in name))
"""
# The file of a project that each program runs first, and the options and the variables that name another one.
BEGINS_WITH = {"flask": "wsgi.py", "alembic": "migrations/env.py"}
OTHER_BEGINNING = ("--app", "-A", "--config", "-c")
OTHER_SETTINGS = ("FLASK_APP", "ALEMBIC_CONFIG")
# How many second servers there are, and the longest request that they are sent, in bytes.
LOADED_MAX, REQUEST_MAX = 4, 128 * 1024
WARNINGS = "PYTHONWARNINGS"
# The command that `make setup` installs.
FLASK = str(Path(__file__).resolve().parent.parent / "agents_app" / "flask_command.py")

Streams = list[int]
# For each file that a command runs first: the project's modules, and the server that has loaded them, if it can.
Loaded = dict[Path, tuple[object, socket.socket | None]]


def serve(address: str) -> None:
    """Import the packages, and answer clients until the standard input is closed."""
    # A package that warns when it is imported ends the tests here, because commands do not import it again.
    words = [sys.executable, "-W", "error", "-c", LIST_PACKAGES]
    names = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    for name in names.split():
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _freeze()
    loaded: Loaded = {}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while sys.stdin not in select.select([sys.stdin, listener], [], [])[0]:
            connection, _ = listener.accept()
            with connection:
                _receive(connection, listener, loaded)


def _receive(connection: socket.socket, listener: socket.socket, loaded: Loaded) -> None:
    # Let a second server answer where it can, or else a fork of this one.
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as text:
        request = text.readline()
    file = _first_file(**json.loads(request)) if request else None
    second = file and _second_server(file, loaded, streams, connection, listener)
    if second:
        socket.send_fds(second, [request], [connection.fileno(), *streams])
    elif request:
        _answer_in_a_fork(request, connection, streams, listener, *_servers(loaded))
    for stream in streams:
        os.close(stream)


def _first_file(program: str, words: list[str], environment: dict[str, str], folder: str) -> Path | None:
    # The file that the command runs first, unless it may be another one than usual.
    named = {environment[name] for name in OTHER_SETTINGS if name in environment}
    is_other = not named <= {BEGINS_WITH["flask"]} or any(word.startswith(OTHER_BEGINNING) for word in words)
    file = Path(folder, BEGINS_WITH[words[1] if program == "python" else program])
    return file if file.is_file() and not is_other else None


def _second_server(file: Path, loaded: Loaded, streams: Streams, *others: socket.socket) -> socket.socket | None:
    # The connection to the server that has carried out the imports of this file; None if they fail.
    modules = _modules(file)
    if file not in loaded or loaded[file][0] != modules:
        outdated = [file] if file in loaded else list(loaded)[: 1 - LOADED_MAX]
        _close(*(loaded.pop(name)[1] for name in outdated))
        loaded[file] = (modules, _start_second(file, streams, *others, *_servers(loaded)))
    return loaded[file][1]


def _servers(loaded: Loaded) -> list[socket.socket | None]:
    return [server for _, server in loaded.values()]


def _project(file: Path) -> Path:
    return file.parent if file.name == BEGINS_WITH["flask"] else file.parent.parent


def _modules(file: Path) -> dict[Path, tuple[int, int]]:
    # The modules of the project, with the times and sizes by which a change is recognised.
    paths = (file, *_project(file).glob("agents_app/**/*.py"))
    return {path: (one.st_mtime_ns, one.st_size) for path in paths for one in [path.stat()]}


def _start_second(file: Path, streams: Streams, *others: socket.socket | None) -> socket.socket | None:
    # The connection to a server that has carried out the imports of this file; None where they fail.
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        # A stream is closed for its reader when no process holds it.
        _close(near, *others)
        for stream in streams:
            os.close(stream)
        try:
            _import_what_it_imports(file)
        except BaseException:
            # The command itself shows what is wrong.
            os._exit(1)
        _serve_commands(far)
    far.close()
    if near.recv(1):
        return near
    near.close()
    return None


def _import_what_it_imports(file: Path) -> None:
    folder = str(_project(file))
    program = ast.parse(file.read_bytes())
    program.body = [line for line in program.body if isinstance(line, ast.Import | ast.ImportFrom)]
    sys.path.insert(0, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = warnings.filters[:]
        exec(compile(program, file, "exec"), {})
        assert warnings.filters == before
    sys.path.remove(folder)
    _freeze()


def _serve_commands(requests: socket.socket) -> None:
    # In the second server. It ends when the first one ends, or closes the connection between them.
    requests.send(b" ")
    while (received := socket.recv_fds(requests, REQUEST_MAX, 4))[0]:
        number, *streams = received[1]
        with socket.socket(fileno=number) as connection:
            _answer_in_a_fork(received[0], connection, streams, requests)
        for stream in streams:
            os.close(stream)
    os._exit(0)


def _freeze() -> None:
    # Forked processes share the memory of what was imported until the garbage collector writes to it.
    gc.collect()
    gc.freeze()


def _close(*servers: socket.socket | None) -> None:
    for server in servers:
        if server is not None:
            server.close()


def _answer_in_a_fork(
    request: bytes, connection: socket.socket, streams: Streams, *others: socket.socket | None
) -> None:
    # In a process of its own: fork the command, wait for it, and kill it if the client ends before it.
    if os.fork() != 0:
        return
    _close(*others)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    number = os.fork()
    if number == 0:
        connection.close()
        _run(streams, **json.loads(request))
    for stream in streams:
        os.close(stream)
    process = os.pidfd_open(number)
    if process not in select.select([process, connection.fileno()], [], [])[0]:
        os.killpg(number, signal.SIGKILL)
    _, status = os.waitpid(number, 0)
    with contextlib.suppress(OSError):
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _run(streams: Streams, program: str, words: list[str], environment: dict[str, str], folder: str) -> None:
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
