"""Limits where a driver connects that chooses addresses itself, such as one whose server sends it to another server.

Linux asks this process about each `connect` of the guarded thread (seccomp_unotify(2)), and another thread of it
answers. The driver is trusted, and its server is not: only the address that it connects to is checked.
"""

import ctypes
import errno
import fcntl
import os
import platform
import socket
import struct
from ipaddress import ip_address
from threading import Event, Thread

from agents_app.probes.network.addresses import AddressRules, resolve
from agents_app.probes.recorder import ProbeFailed

# The numbers of `seccomp` and `connect`, by the kind of processor.
SYSCALLS = {"x86_64": (317, 42), "aarch64": (277, 203)}
NO_NEW_PRIVILEGES, SET_FILTER, NEW_LISTENER = 38, 1, 8
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ASK = 0x7FFF0000, 0x7FC00000
RECEIVE, SEND, CONTINUE = 0xC0502100, 0xC0182101, 1
# The question: an id, a process, and at these places the socket, and where its address is.
QUESTION_SIZE, SOCKET_AT, ADDRESS_AT = 80, 32, 40
ANSWER = struct.Struct("=QqiI")


class Guard:
    """A guard of the thread that starts it, and of every thread that this one starts. It never ends.

    `has_refused` says whether an address was refused. The driver only learns that it may not connect.
    """

    def __init__(self, rules: AddressRules) -> None:
        self.has_refused = False
        self._rules = rules
        self._is_started = Event()
        self._listener = -1

    def start(self) -> None:
        """Start to guard. Raises OSError where the system cannot."""
        # The thread that answers is not guarded, because it is older than the filter.
        Thread(target=self._answer_all, daemon=True).start()
        try:
            self._listener = _install()
        finally:
            self._is_started.set()

    def _answer_all(self) -> None:
        self._is_started.wait()
        while self._listener >= 0:
            question = bytearray(QUESTION_SIZE)
            try:
                fcntl.ioctl(self._listener, RECEIVE, question)
                fcntl.ioctl(self._listener, SEND, self._answer(question))
            except OSError as error:
                # The call was interrupted, or its thread has ended.
                if error.errno not in (errno.EINTR, errno.ENOENT):
                    return

    def _answer(self, question: bytearray) -> bytes:
        (identity,) = struct.unpack_from("=Q", question)
        (number,) = struct.unpack_from("=Q", question, SOCKET_AT)
        place, size = struct.unpack_from("=QQ", question, ADDRESS_AT)
        if self._may_connect(number, ctypes.string_at(place, min(size, 28))):
            return ANSWER.pack(identity, 0, 0, CONTINUE)
        self.has_refused = True
        return ANSWER.pack(identity, 0, -errno.EACCES, 0)

    def _may_connect(self, number: int, address: bytes) -> bool:
        (family,) = struct.unpack_from("=H", address)
        if family not in (socket.AF_INET, socket.AF_INET6) or not _is_stream(number):
            # A question to DNS, or a service of this machine.
            return True
        (port,) = struct.unpack_from("!H", address, 2)
        host = str(ip_address(address[4:8] if family == socket.AF_INET else address[8:24]))
        try:
            resolve(host, port, self._rules)
        except ProbeFailed:
            return False
        return True


def _is_stream(number: int) -> bool:
    with socket.socket(fileno=os.dup(number)) as copy:
        return copy.type == socket.SOCK_STREAM


def _install() -> int:
    """Ask about every `connect` of this thread from now on. Returns where the questions arrive."""
    if platform.machine() not in SYSCALLS:
        raise OSError(errno.ENOSYS, "unknown processor")
    seccomp, connect = SYSCALLS[platform.machine()]
    steps = ((LOAD, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, connect), (RETURN, 0, 0, ASK), (RETURN, 0, 0, ALLOW))
    filters = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(filters)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    listener: int = libc.syscall(seccomp, SET_FILTER, NEW_LISTENER, program)
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return listener
