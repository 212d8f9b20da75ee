"""TLS: which authorities a probe trusts, and the cause if it does not accept a server or its certificate."""

import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import socket

from agents_app.probes.recorder import ProbeFailed, Recorder

# Errors of OpenSSL, X509_V_ERR_… in openssl/x509_vfy.h. The others mean that the certificate is not trusted.
CERTIFICATE_CAUSES = {
    9: "certificate_expired",
    10: "certificate_expired",
    62: "certificate_name",
    64: "certificate_name",
}
# The same for databases.
DATABASE_CAUSES = {
    "certificate_expired": "database_certificate_expired",
    "certificate_not_trusted": "database_certificate_not_trusted",
}


def cause_of(error: OSError) -> str:
    """The code of the cause of an error in a handshake of TLS."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return CERTIFICATE_CAUSES.get(error.verify_code, "certificate_not_trusted")
    return "server_slow" if isinstance(error, TimeoutError) else "tls_failed"


def cause_for_database(error: OSError) -> str:
    """The same for the server of a database, whose certificate can be from an authority of its own."""
    code = cause_of(error)
    return DATABASE_CAUSES.get(code, code)


def trust(sslmode: str, root_certificate: str | None) -> ssl.SSLContext:
    """What a TLS mode of an agent checks. Without a root certificate the authorities of the system are trusted.

    OpenSSL refuses some certificates that the field Root certificate accepts.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = sslmode == "verify-full"
    if sslmode == "require":
        context.verify_mode = ssl.CERT_NONE
    elif root_certificate:
        try:
            context.load_verify_locations(cadata=root_certificate)
        except (ssl.SSLError, ValueError):
            raise ProbeFailed("root_certificate_refused") from None
    else:
        context.load_default_certs()
    return context


def start(
    connection: socket, context: ssl.SSLContext, host: str, port: int, find_cause: Callable[[OSError], str] = cause_of
) -> ssl.SSLSocket:
    """The connection with TLS. Raises ProbeFailed with the cause if the server is not accepted."""
    try:
        return context.wrap_socket(connection, server_hostname=host)
    except OSError as error:
        raise ProbeFailed(find_cause(error), host=host, port=port) from None


def warn_about_mode(recorder: Recorder, sslmode: str, host: str) -> None:
    """Warn if the TLS mode does not check the identity of the server."""
    if sslmode == "disable":
        recorder.warn("not_encrypted", host=host)
    elif sslmode == "require":
        recorder.warn("identity_not_checked", sslmode=sslmode)
    elif sslmode == "verify-ca":
        recorder.warn("name_not_checked")


@contextmanager
def root_file(root_certificate: str | None) -> Iterator[str]:
    """The path of a file with the trusted authorities, for a driver that takes only a path. It is in memory only."""
    if not root_certificate:
        yield ssl.get_default_verify_paths().cafile or "system"
        return
    file = os.memfd_create("root")
    try:
        os.write(file, root_certificate.encode())
        yield f"/proc/self/fd/{file}"
    finally:
        os.close(file)
