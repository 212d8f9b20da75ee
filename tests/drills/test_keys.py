"""Keys are rotated while the console runs, and lost; a person cannot sign in."""

import http.cookiejar
import re
import urllib.parse
import urllib.request

import pytest

from tests.drills.conftest import BuildMachine, Prepare
from tests.drills.machine import BLOCKS, Machine

pytestmark = pytest.mark.long
NEXT_YEAR = '#!/bin/sh\nexec /bin/date -d "1 year" "$@"\n'
PASSWORD = "fourteen green kettles"
EMAIL = "demo@console.example"


class Browser:
    """A browser with cookies that fills in forms."""

    def __init__(self, machine: Machine) -> None:
        self.address = f"http://{machine.address}"
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(cookies)

    def read(self, path: str) -> str:
        """The text of a page."""
        with self.opener.open(urllib.parse.urljoin(self.address, path)) as answer:
            return str(answer.read().decode())

    def send(self, path: str, **values: str) -> str:
        """Fill in the form of a page, and send it. Returns the address that follows."""
        hidden = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', self.read(path)))
        form = urllib.parse.urlencode({**hidden, **values}).encode()
        with self.opener.open(urllib.parse.urljoin(self.address, path), form) as answer:
            return str(answer.url)


@pytest.fixture
def running(build_machine: BuildMachine, start_demo: Prepare) -> Machine:
    """A machine with a running console on SQLite."""
    return start_demo(build_machine())


def test_keys_are_rotated_in_two_years_while_the_console_runs_and_tokens_and_old_keys_stay(running: Machine) -> None:
    token = running.type("agent-console tokens create --name before --scope read").strip()
    request = f"curl -sS --fail -H 'Authorization: Bearer {token}' http://127.0.0.1:8000/api/v1/me"
    keys = running.root / "etc" / "agent-console" / "keys"

    running.drill("rotate-add")
    running.drill("rotate-use")
    running.drill("rotate-remove")
    running.drill("rotate-others")
    assert '"before"' in running.type(request)
    this_year = (keys / "encryption_keys").read_text()
    assert re.fullmatch(r"k\d{8}:[^,]+\n", this_year)
    assert re.fullmatch(r"p\d{8}:[^,]+,p1:[^,]+\n", (keys / "token_peppers").read_text())

    running.write("replacements/date", NEXT_YEAR, 0o755)
    running.drill_twice("rotate-add")
    running.drill("rotate-use")
    running.drill("rotate-remove")
    running.drill_twice("rotate-others")

    (next_year,) = (keys / "encryption_keys").read_text().split(",")
    assert next_year.startswith(f"k{int(this_year[1:5]) + 1}")
    assert "k1:" in "".join(file.read_text() for file in keys.glob("encryption_keys.before-*"))
    assert len((keys / "token_peppers").read_text().split(",")) == 3
    assert this_year in running.type("cat /root/agent-console-settings-*/keys/encryption_keys")
    assert '"before"' in running.type(request)


def test_a_lost_encryption_key_is_given_up_and_secrets_are_stored_again(running: Machine) -> None:
    token = running.type("agent-console tokens create --name lost --scope read").strip()
    agent = running.type("agent-console agents list | sed -n '2s/ .*//p'").strip()
    keys = running.root / "etc" / "agent-console" / "keys"
    for name in ("encryption_keys", "secret_key", "token_peppers"):
        (keys / name).write_text("")

    refused = running.run("systemctl stop agent-console; agent-console serve")
    assert refused.returncode == 1
    assert "/etc/agent-console/keys/secret_key)." in refused.stderr
    (keys / "encryption_keys").write_text("k9:nA9s0m3Qe7b2Vt5yXw8Rz1Lc4Kj6Hg0Pf2Du5Si8Tao=\n")
    running.type("openssl rand -base64 32 > /etc/agent-console/keys/secret_key")
    (keys / "token_peppers").write_text("p9:Qw3er5Ty7ui9Op1as2Df4gh6Jk8lZx0cVb3nM5qWe7E=\n")
    running.drill("keys-look")
    running.drill_twice("keys-new")
    new = (keys / "encryption_keys").read_text()
    running.drill("keys-give-up")
    assert "is marked as lost already" in running.run(BLOCKS["keys-give-up"].text).stderr
    assert (keys / "encryption_keys").read_text() == new
    running.drill("keys-secret-key")
    running.drill_twice("keys-peppers")

    running.type(
        f"""echo '{{"api_key": "sk-typed-again-0001"}}' | agent-console agents update {agent} --secrets-stdin"""
    )
    old_token = (
        f"curl -sS -o /dev/null -w '%{{http_code}}' -H 'Authorization: Bearer {token}' http://127.0.0.1:8000/api/v1/me"
    )
    assert running.type(old_token) == "401"


def test_a_lost_password_is_chosen_again_with_a_link(running: Machine) -> None:
    running.names["ada@example.org"] = EMAIL
    (link,) = re.findall("^http.*", running.drill("sign-in"), re.MULTILINE)
    browser = Browser(running)

    browser.send(link, password=PASSWORD, password_again=PASSWORD)

    assert Browser(running).send("/sign-in", email=EMAIL, password=PASSWORD).endswith("/agents")
