"""A real nginx in front of a real `flask serve`: configures, starts and stops it, and has a client for it."""

import contextlib
import gzip
import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import pytest

from agents_app.paths import ROOT
from tests.cli.conftest import PATIENCE_S, Checkout, Server, free_port, wait_for
from tests.make import KEYS
from tests.pem import certificate_for
from tests.project import shared_copy
from tests.web.conftest import Page, fields_of

NO_NGINX = "No nginx: the console was NOT tried behind a real proxy. Debian: apt-get install nginx-light."
# Without a master process nginx stays the user who started it, so that everything it writes is in `folder`.
CONFIGURATION = """\
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    default_type application/octet-stream;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{servers}
}}
"""


def program() -> str:
    """The nginx of this machine. If it is missing, the test is skipped, or fails if REQUIRE_ALL is set."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None and os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(NO_NGINX)
    return found or pytest.skip(NO_NGINX)


@contextmanager
def nginx(folder: Path, servers: Iterable[str]) -> Iterator[None]:
    """Run nginx with these server blocks in a folder of its own, once it is seen to listen."""
    folder.mkdir()
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, servers="\n".join(servers)))
    words = [program(), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)]
    tried = subprocess.run([*words, "-t"], cwd=folder, capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stderr
    with subprocess.Popen(words, cwd=folder) as process:
        try:
            # Written once all ports are open; to try the configuration has made it, but empty.
            wait_for(lambda: process.poll() is not None or (folder / "pid").stat().st_size > 0)
            assert process.poll() is None, (folder / "error.log").read_text()
            yield
        finally:
            process.terminate()


@dataclass
class Certificate:
    """A certificate that browsers of the tests trust, and its key, as files."""

    file: Path
    key: Path


def make_certificate(folder: Path, *names: str) -> Certificate:
    """A certificate for these host names and addresses."""
    certificate, key = certificate_for(*names)
    found = Certificate(folder / "certificate.pem", folder / "certificate.key")
    found.file.write_text(certificate)
    found.key.write_text(key)
    return found


def server_block(port: int, inside: str, certificate: Certificate | None = None) -> str:
    """A server block on this port, over https where a certificate is given; `inside` may be a whole one itself."""
    if certificate and inside.startswith("server {"):
        found = inside.replace("listen 443 ", f"listen 127.0.0.1:{port} ")
        found = re.sub(r"(?<=ssl_certificate ).*(?=;)", str(certificate.file), found)
        return re.sub(r"(?<=ssl_certificate_key ).*(?=;)", str(certificate.key), found)
    https = f"ssl_certificate {certificate.file}; ssl_certificate_key {certificate.key};" if certificate else ""
    return f"server {{ listen 127.0.0.1:{port}{' ssl' if certificate else ''}; {https}\n{inside}\n}}"


@contextmanager
def console_process(database_url: str, **settings: str) -> Iterator[Server]:
    """A `flask serve` of its own, once it answers; it listens on a free port unless BIND says where."""
    settings = {**KEYS, "DATABASE_URL": database_url, "BIND": f"127.0.0.1:{free_port()}", **settings}
    started = Server(Checkout(shared_copy(), settings).start("serve"), f"http://{settings['BIND']}")
    # Or it would stop when the pipe of its log is full.
    reader = threading.Thread(target=started.process.stdout.read)
    try:
        wait_for(lambda: started.answers("/healthz"))
        reader.start()
        yield started
    finally:
        started.kill()
        reader.join()


@dataclass
class Proxied:
    """A console behind nginx, whose server blocks each have a name and a port."""

    public_url: str
    database_url: str
    ports: Mapping[str, int]
    certificate: Certificate | None
    server: Server

    def client(self, block: str) -> "Client":
        """A new browser that finds this block at the public address."""
        return Client(self.public_url, self.ports[block], self.certificate)


@contextmanager
def behind_nginx(
    folder: Path,
    database_url: str,
    public_url: str,
    blocks: Mapping[str, str],
    port: int | None = None,
    **settings: str,
) -> Iterator[Proxied]:
    """A console with the URL `public_url` behind nginx with these blocks.

    Each is the content of `server { … }`, or the whole block, with `$console` for the console's address. All blocks
    have the same console. The port of `public_url` need not be open: a client connects to the port of a block and
    sends the public one in its headers. A real browser cannot do that, so `port` sets the port of the only block.
    """
    program()
    address = urlsplit(public_url)
    certificate = make_certificate(folder, address.hostname or "") if address.scheme == "https" else None
    given = {"PUBLIC_URL": public_url, "PROXY_HOPS": "1", **settings}
    with console_process(database_url, **given) as server:
        ports = {name: port or free_port() for name in blocks}
        inside = {name: text.replace("$console", server.url.partition("://")[2]) for name, text in blocks.items()}
        with nginx(folder / "nginx", [server_block(ports[name], inside[name], certificate) for name in blocks]):
            yield Proxied(public_url, database_url, ports, certificate, server)


@dataclass
class Answer:
    """What a client was answered, decompressed."""

    status: int
    headers: Message
    text: str

    @property
    def page(self) -> Page:
        """The page, checked for what every page must have."""
        return Page(self)  # type: ignore[arg-type]

    @property
    def status_code(self) -> int:
        """The status, as pages of other tests name it."""
        return self.status


@dataclass
class Client:
    """A browser without script: it keeps cookies, and says what browsers say of where a form comes from."""

    public_url: str
    port: int
    certificate: Certificate | None = None
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """Scheme, host and port of the public address."""
        return "{0.scheme}://{0.netloc}".format(urlsplit(self.public_url))

    def get(self, path: str, **headers: str | None) -> Answer:
        """Load a page."""
        return self.ask("GET", path, headers={"Sec-Fetch-Site": "none", **_named(headers)})

    def send(self, page: Answer, path: str, action: str = "", values: Any = None, **headers: str | None) -> Answer:
        """Send the form of a page that was loaded from `path`; a header that is None is left out.

        `action` is where the form leads, if that is another path; `values` are changed in it.
        """
        form = page.page.form(action or path)
        content = {**fields_of(form).to_dict(), **(values or {})}
        from_here = {"Origin": self.origin, "Referer": urljoin(self.origin, path), "Sec-Fetch-Site": "same-origin"}
        as_form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", form["action"], urlencode(content), {**from_here, **as_form, **_named(headers)})

    def ask(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str | None] | None = None
    ) -> Answer:
        """Send one request; a header that is None is left out."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        usual = {"Host": urlsplit(self.public_url).netloc, "Accept-Encoding": "gzip", "Cookie": cookie or None}
        given = {name: value for name, value in {**usual, **(headers or {})}.items() if value is not None}
        with contextlib.closing(self._connect()) as connection:
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            content = answer.read()
        for text in answer.headers.get_all("Set-Cookie", []):
            name, _, value = text.partition(";")[0].partition("=")
            self.cookies[name] = value
        if answer.headers["Content-Encoding"] == "gzip":
            content = gzip.decompress(content)
        return Answer(answer.status, answer.headers, content.decode())

    def _connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        connection.sock = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        if self.certificate:
            trusting = ssl.create_default_context(cafile=str(self.certificate.file))
            connection.sock = trusting.wrap_socket(connection.sock, server_hostname=urlsplit(self.public_url).hostname)
        return connection


def _named(headers: Mapping[str, str | None]) -> dict[str, str | None]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def document_blocks() -> tuple[str, str]:
    """The two blocks that `docs/deployment.md` has to copy: a whole server block, and a location below a path."""
    text = (ROOT / "docs" / "deployment.md").read_text().replace("127.0.0.1:8000", "$console")
    server, location = re.findall(r"^```nginx\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return server, location
