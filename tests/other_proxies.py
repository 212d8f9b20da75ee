"""A real Caddy and a real Apache in front of a real `flask serve`, with the files of `deploy/`."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agents_app.paths import ROOT
from tests.cli.conftest import free_port, wait_for
from tests.nginx import Certificate, Client, console_process, make_certificate

# Where Debian has programs that its users do not have on the PATH.
FOLDERS = "/usr/sbin:/usr/local/sbin"
MODULES = Path("/usr/lib/apache2/modules")
# What Debian's own files have, and `a2enmod ssl headers proxy_http` adds.
APACHE = """\
ServerRoot {folder}
PidFile {folder}/pid
ErrorLog {folder}/error.log
DefaultRuntimeDir {folder}
Listen 127.0.0.1:{port}
User www-data
Group www-data
{modules}
"""
APACHE_MODULES = ("mpm_event", "authz_core", "ssl", "headers", "proxy", "proxy_http")
# Certificates are given, and nothing listens on port 80.
CADDY = """\
{{
    admin off
    auto_https disable_redirects
}}
"""


def program(name: str, package: str) -> str:
    """The path of a proxy. If it is missing, the test is skipped, or fails if REQUIRE_ALL is set."""
    found = shutil.which(name) or shutil.which(name, path=FOLDERS)
    reason = f"No {name}: the console was NOT tried behind it. Debian: apt-get install {package}."
    if found is None and os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(reason)
    return found or pytest.skip(reason)


def deploy_file(name: str, console: str) -> str:
    """A file of `deploy/`, with this address of the console."""
    return (ROOT / "deploy" / name).read_text().replace("127.0.0.1:8000", console)


def caddy(folder: Path, console: str, port: int, certificate: Certificate) -> list[str]:
    """Write Caddy's configuration, and return the command that runs it."""
    site = f"https://agents.example.org:{port} {{\n    bind 127.0.0.1\n    tls {certificate.file} {certificate.key}"
    text = deploy_file("Caddyfile", console).replace("agents.example.org {", site)
    file = folder / "Caddyfile"
    file.write_text(CADDY.format() + text)
    return [program("caddy", "caddy"), "run", "--adapter", "caddyfile", "--config", str(file)]


def apache(folder: Path, console: str, port: int, certificate: Certificate) -> list[str]:
    """Write Apache's configuration, and return the command that runs it."""
    text = deploy_file("apache.conf", console).replace("*:443", f"127.0.0.1:{port}")
    text = re.sub(r"(?<=SSLCertificateFile ).*", str(certificate.file), text)
    text = re.sub(r"(?<=SSLCertificateKeyFile ).*", str(certificate.key), text)
    modules = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in APACHE_MODULES)
    file = folder / "apache.conf"
    file.write_text(APACHE.format(folder=folder, port=port, modules=modules) + text)
    return [program("apache2", "apache2"), "-D", "FOREGROUND", "-f", str(file)]


PROXIES = {"caddy": caddy, "apache": apache}


@contextmanager
def behind(name: str, folder: Path, database_url: str, public_url: str) -> Iterator[Client]:
    """A browser for a console behind this proxy."""
    certificate, port = make_certificate(folder, "agents.example.org"), free_port()
    with console_process(database_url, PUBLIC_URL=public_url, PROXY_HOPS="1") as server:
        command = PROXIES[name](folder, server.url.partition("://")[2], port, certificate)
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        client = Client(public_url, port, certificate)
        try:
            wait_for(lambda: process.poll() is not None or _answers(client))
            assert process.poll() is None, (folder / "log").read_text()
            yield client
        finally:
            process.terminate()
            process.wait()


def _answers(client: Client) -> bool:
    try:
        return client.get("/healthz").status == 200
    except OSError:
        return False
