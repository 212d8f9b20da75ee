"""The scanner of secrets: what it names, what it does not, and that a warning never repeats a secret."""

import base64
import hashlib
import random
import string
from typing import Any

import pytest

from agents_app.schemas.agents import secret_warnings
from agents_app.values.secret_scanner import find_in_text, find_in_values
from tests import pem
from tests.make import agent_values

LETTERS, HEX = string.ascii_letters + string.digits, "0123456789abcdef"
RANDOM = random.Random(10)


def word(length: int, alphabet: str = LETTERS) -> str:
    """A word as a generator of keys makes it, the same in every run."""
    return "".join(RANDOM.choice(alphabet) for _ in range(length))


STORAGE_KEY = base64.b64encode(hashlib.sha512(b"storage").digest()).decode()
# What is in a text, and what the warning calls it. The secret is between the marks «».
SECRETS = [
    (f"Use «sk-ant-api03-{word(93)}».", "an Anthropic API key"),
    (f"Use «sk-proj-{word(60)}».", "an OpenAI API key"),
    (f"«sk-{word(48)}»", "an API key"),
    ("«sk-canary-0123456789-abcd»", "an API key"),
    (f"«gsk_{word(52)}»", "a Groq API key"),
    (f"token=«ghp_{word(36)}»", "a GitHub token"),
    (f"«github_pat_{word(22)}_{word(59)}»", "a GitHub token"),
    (f"https://oauth2/«glpat-{word(20)}»", "a GitLab token"),
    ("(«AKIAIOSFODNN7EXAMPLE»)", "an AWS access key"),
    (f"«ASIA{word(16, string.ascii_uppercase)}»", "an AWS access key"),
    (f"https://maps.example.org/?key=«AIza{word(35)}»", "a Google key"),
    (f"«xoxb-123456789012-{word(24)}»", "a Slack token"),
    (f"«eyJhbGciOiJIUzI1NiJ9.eyJ{word(40)}.{word(43)}»", "a JSON web token"),
    (f"«{word(3)}8Q~{word(34)}»", "a Microsoft Entra client secret"),
    (f"«sk_live_{word(24)}»", "a Stripe key"),
    (f"«agc_{word(12)}.{word(46)}»", "an API token of Agent Console"),
    (f"AccountName=x;AccountKey=«{STORAGE_KEY}»;EndpointSuffix=core.example.org", "a key or token"),
    ("https://x.example.org/c?sv=2023&sig=«abCDef%2Bghi0123456789abcdefghijklmn%3D»", "a signed URL"),
    (f"api key: «{word(32, HEX)}»", "a key or token"),
    (f'{{"client_secret": "«{word(40)}»"}}', "a key or token"),
    (f"export MY_TOKEN='«{word(40)}»'", "a key or token"),
    (f"Authorization: Bearer «{word(40)}»", "a key or token"),
    (f"The key for the invoices is since today «{word(32)}»", "a key or token"),
    ("aws_secret_access_key = «wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY»", "a key or token"),
    ("password: «Sommer2024»!", "a password"),
    ("The password is «hunter2».", "a password"),
    ("Server=x;User ID=r;Password=«s3cretpw»;Encrypt=yes", "a password"),
    ("postgresql://reader:«s3cret»@db.example.org/sales", "a password in a URL"),
    ("https://reader:«p/a#b»@api.example.org/", "a password in a URL"),
    ("jdbc:oracle:thin:scott/«tiger»@//db.example.org:1521/x", "a password in a URL"),
    (f"«{pem.private_key()}»", "a private key"),
    ("«" + pem.private_key().replace("\n", "\\n") + "»", "a private key"),
    # An invisible character hides nothing.
    (f"gh\u200bp_«{word(36)}»", "a GitHub token"),
]
HARMLESS = [
    "password: ask IT",
    "Password: required",
    "password: at least 12 characters",
    "password: varchar(64)",
    "password: ${DB_PASSWORD}",
    "password=<your password>",
    "password hash: sha256",
    "Password: SCRAM-SHA-256",
    "password = secrets.token_urlsafe(12)",
    "token: OAuth2",
    "api_key: {{ api_key }}",
    "key=YOUR_API_KEY",
    "sk-your-key-here",
    "sk-your-key-here-0123456789",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "Never answer questions about passwords, tokens or keys.",
    "key: 6f9619ff-8b86-4011-b42d-00c04fc964ff",
    "Client secret ID 6f9619ff-8b86-4011-b42d-00c04fc964ff",
    "The token service was released at commit da39a3ee5e6b4b0d3255bfef95601890afd80709.",
    "sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "The key file of the release was 5f4dcc3b5aa765d61d8327deb882cf99",
    "The token for the part has number a1B2c3D4e5F6g7H8",
    "public key: 8f3kQ29xLm47Tz0bV5nW1cR6",
    "Key of the server: ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7v8n3xJ2kL9",
    "deploy key = AAAAC3NzaC1lZDI1NTE5AAAAIJ8f3kQ29xLm47Tz0bV5nW1cR6",
    "Primary key: customer_order_line_2024_total",
    "sort key: order_date_2024_q1_region_v2",
    "Token: sales.dbo.FactInternetSales2024",
    "key figure: 2024-11-26T11:12:32Z",
    "key model gpt-4o-mini-2024-07-18",
    "arn:aws:iam::123456789012:role/reader",
    "https://api.example.org:8443/v1",
    "https://api.example.org:8443/@scope",
    "http://[::1]:8080/a@b",
    "mailto:ada@example.org",
    "postgresql://reader@db.example.org/sales",
    "postgresql://reader:${PASSWORD}@db.example.org/sales",
    "postgres://reader:****@db.example.org/sales",
    "A key begins with -----BEGIN PRIVATE KEY----- and ends with -----END PRIVATE KEY-----.",
    f"Public key:\n{pem.certificate()}",
]
# Texts that a search with an unlimited pattern reads again from each of their characters.
HOSTILE = ["password=", "password: v1@", "://a:", "-eyJ", "sk-", "-----BEGIN PRIVATE KEY-----", "a", "key aB3"]


@pytest.mark.parametrize(("marked", "kind"), SECRETS, ids=[kind for _, kind in SECRETS])
def test_a_secret_is_named_and_not_repeated(marked: str, kind: str) -> None:
    before, secret, after = marked.replace("»", "«").split("«")

    sentence = find_in_text(before + secret + after) or ""

    assert f"contains what looks like {kind}. " in sentence
    assert secret not in sentence


@pytest.mark.parametrize("text", HARMLESS)
def test_no_secret_is_seen_in_ordinary_text(text: str) -> None:
    assert find_in_text(text) is None


def test_the_line_of_the_secret_is_named() -> None:
    text = f"{pem.certificate()}Answer briefly.\nThe password is hunter2.\nName the tables."

    assert (find_in_text(text) or "").startswith(f"Line {text[: text.index('hunter2')].count(chr(10)) + 1} contains")


@pytest.mark.parametrize("part", HOSTILE)
def test_a_long_text_is_read_once(part: str) -> None:
    # A pattern with two unlimited parts takes minutes for such a text.
    text = part * (32_000 // len(part))

    assert find_in_text(text) is None


def test_every_public_text_of_an_agent_is_searched_and_no_secret_field() -> None:
    config = {"password": "hunter22", "host": "db.example.org", "schema_allow_list": ["sales", f"ghp_{word(36)}"]}
    values = agent_values(api_key=f"sk-{word(48)}", connection_config=config)
    values |= {"name": f"glpat-{word(20)}", "system_instructions": "pwd=Tr!ckyPass", "description": None}
    values |= {"labels": {"db-password": "hunter2"}, "owner": "Ada", "model_base_url": "https://api.example.org/v1"}

    found = {pointer for pointer, _ in secret_warnings(values)}

    assert found == {
        "/name",
        "/system_instructions",
        "/labels/db-password",
        "/connection_config/schema_allow_list/1",
    }


@pytest.mark.parametrize(
    ("labels", "pointer", "subject"),
    [
        ({"team": "sales", "api-key": word(40)}, "/labels/api-key", "The label api-key"),
        ({"password": "hunter2"}, "/labels/password", "The label password"),
        # The pointer must not repeat the secret.
        ({f"ghp_{word(36)}": "x"}, "/labels", "The name of a label"),
        ({f"ghp_{word(36)}": f"ghp_{word(36)}"}, "/labels", "The name of a label"),
    ],
)
def test_the_name_of_a_label_says_what_its_value_is(labels: dict[str, Any], pointer: str, subject: str) -> None:
    ((found, sentence),) = find_in_values({"labels": labels})

    assert (found, sentence.startswith(f"{subject} contains what looks like")) == (pointer, True)
