"""Values that every door must refuse, with their refusals: for operations, JSON, pages and terminal alike.

Each case is a name, a whole agent, and every (JSON pointer, sentence) that it is refused with. A door that cannot say
some value at all (a form has no numbers, an option no objects) skips the cases that its own test names.
"""

from typing import Any, NamedTuple

from agents_app.connections import TYPES
from agents_app.connections.power_bi import A_USER
from agents_app.schemas.change_notes import PRIVATE_KEY, SECRET
from agents_app.values.address_rules import UNREAD
from agents_app.values.choices import ConnectionType, Environment, ModelProvider
from tests import pem
from tests.make import agent_values

ONE_LINE = "Write this on one line, without control characters."
NOT_TEXT = "Remove the invalid characters (U+0000 or an unpaired surrogate)."
AS_TEXT = "Write this as text."
MASK = (
    "This is a hidden form of the secret (such as ****), not the secret. "
    + "Enter the secret, or leave this field empty."
)
A_MARKER = (
    "Only in a file of agents, this word says that the stored secret is kept. "
    + "Type the secret itself, or leave this out to keep the stored one."
)
A_PLACE = "Only in a file of agents, env:… and file:… say where a secret is. Enter the secret itself."
TYPE_IT = "Type the secret itself, or leave this empty."
NO_COMMENT = "Paste only the key, without the comment after it."
LONE_QUOTE = "There is a quote at one end only. Paste only the key, without quotes."
UNKNOWN = "This field is not known here."
NOT_MEMBERS = "{} not known. The members are: " + f"{', '.join(TYPES['DB'].model_fields)}."
A_HOST = "Write one host name or IP address, such as db.example.org."
A_UUID = "Write a UUID, such as 12345678-9abc-def0-1234-56789abcdef0."
A_CERTIFICATE = "Paste the whole text from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----."
REMOVE_MARK, WHY_MARK = (
    "Remove the direction mark U+202E (right-to-left override) at character",
    (": it changes how the text reads."),
)
REMOVE_ISOLATE = f"Remove the direction mark U+2066 (left-to-right isolate) at character 1{WHY_MARK}"
HAS_UMLAUT = "This has U+00FC (latin small letter u with diaeresis) at character"
HAS_NO_BREAK_SPACE = "This has U+00A0 (no-break space) at character"
HAS_CYRILLIC = "This has U+0430 (cyrillic small letter a) at character"
HAS_SPACE = "This has U+0020 (space) at character"
WHOLE = "This is a complete address. Enter"
ASCII = "Use printable ASCII characters without spaces."
MISSING_TYPE = f"Choose the connection type: {' or '.join(TYPES)}."
A_TYPE = f"Choose one of: {', '.join(ConnectionType)}."
AN_ENVIRONMENT = f"Choose one of: {', '.join(Environment)}."
A_PROVIDER = f"Choose one of: {', '.join(ModelProvider)}."
A_DAY = "Write the date as YYYY-MM-DD."
AN_OBJECT_OF_LABELS = 'Write this as an object, such as {"team": "finance"}.'
A_LABEL_NAME = "The name of a label has at most 63 letters, digits and . _ / - inside, such as cost-center."
NO_LABEL_VALUE = "Write a value for the label team, or remove the label."
A_MODEL_URL = "Write https://, a host, and an optional port and path, such as https://api.openai.com/v1."
A_PORT_OF_URL = "The port of the URL must be between 1 and 65,535."
BAD_HOST = "The host of the URL is not valid."
NO_DAY = "There is no such day. Check the year, the month and the day."
AN_IP_ADDRESS = "Write the IP address in its usual form, such as 192.0.2.7."
EMPTY_PART = "The host name has an empty part before or after a dot."
LONG_PART = "A part of a host name between dots has at most 63 characters."
A_PASSWORD = (
    "This contains what looks like a password. "
    + "Enter only the value of this field here, and the password in the field Password."
)
A_URL_PATH = "Write the path of the URL without spaces, backslashes and parts such as .. or //."
NO_LOGIN = "Remove the user name and password from the URL. The API key belongs in the field API key."
NO_QUERY = "Remove the part of the URL from ? or # on."
NO_TLS = (
    "Use https. Without TLS, the API key can be sent only to the computer of the console and to private networks, "
    + "such as http://localhost:11434."
)
STATUS = "The status cannot be set here. Enable or disable the agent instead."
USER_NAME = "the user name in the field User name"
OTHERS_WITHOUT_TLS = (
    f"the database name in the field Database name, {USER_NAME} and the password in the field Password."
)
OTHERS = OTHERS_WITHOUT_TLS.replace(" and", ", the TLS mode in the field TLS mode and")
CLIENT, WORKSPACE = "6f9619ff-8b86-4011-b42d-00c04fc964ff", "0c0ffee0-1111-4222-8333-444455556666"
CERTIFICATE_WITHOUT_END = "-----BEGIN CERTIFICATE-----\nAAAA\n"
NO_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
MANY_CERTIFICATES = NO_CERTIFICATE * 500 + "?"
HALF_A_KEY = pem.certificate() + pem.private_key()[:80]
NO_KEY_PEM = "-----BEGIN {0}-----\nQUJD\n-----END {0}-----\n"
DAMAGED = "This is not a certificate, or it is damaged. Export the certificate as PEM again."
KEY_BELONGS = "Put the private key in the field Private key. The field Certificate takes the certificate only."
NO_KEY = "A private key does not belong in the field Root certificate. Paste the certificate only."
CERTIFICATE_BELONGS = "Paste the certificate in the field Certificate. This field takes the private key only."
TWO_KEYS = "Paste one private key only. This is more than one block."
A_KEY = "Paste the whole text from -----BEGIN PRIVATE KEY----- to -----END PRIVATE KEY-----."
DAMAGED_KEY = "This is not a private key, or it is damaged. Export the private key as PEM again."


# Unusual texts that are valid, each with what is stored. Every door accepts them and returns what is stored.
ODD_TEXTS = {
    "white space around": ("  Sales \t", "Sales"),
    "template": ("{{ 7 * 7 }} {% raw %} ${7*7} <%= 7 %> #{7}", None),
    "SQL": ("Sales'; DROP TABLE agents; -- \" OR 1=1", None),
    "HTML": ("<script>alert('1')</script><!-- &amp; ]]>", None),
    "placeholders": ("%s %(name)s {0} {name} $1 :name ?", None),
    "from right to left": ("Sales \u200f\u05d0\u05d1", None),
    "signs beyond the first plane": ("😀 名前 \U0001f468\u200d\U0001f469", None),
    "an accent of its own": ("cafe\u0301 \u1100\u1161", "caf\u00e9 \uac00"),
    "signs nobody sees around": ("\ufeff Sales\u200b ", "Sales"),
    "a way up": ("../../etc/passwd\\..\\x", None),
    "a sum": ("=1+1;@SUM(A1:A9)", None),
    "a word of JSON": ("null", None),
    "not a number": ("NaN", None),
    "a number": ("007", None),
    "a mark of ours": ("$enc v1:k1:AAAA", None),
    "an option": ("--help", None),
}


class Bad(NamedTuple):
    """One case. `values` is a whole agent as a door passes it."""

    name: str
    values: dict[str, Any]
    refused: list[tuple[str, str]]


def _without(name: str) -> dict[str, Any]:
    values = agent_values()
    del values[name]
    return values


def _agent(case: str, pointer: str, sentence: str, /, **changes: Any) -> Bad:
    return Bad(case, agent_values(**changes), [(pointer, sentence)])


def _database(name: str, member: str, value: Any, sentence: str) -> Bad:
    values = agent_values(connection_config={member: value})
    return Bad(name, values, [(f"/connection_config/{member}", sentence)])


def _unknown_of_database(name: str, number: int, **members: Any) -> Bad:
    """Members of a group with secrets, whose names are not repeated."""
    what = "1 member here is" if number == 1 else f"{number} members here are"
    return Bad(name, agent_values(connection_config=members), [("/connection_config", NOT_MEMBERS.format(what))])


def _power_bi(name: str, member: str, value: Any, sentence: str) -> Bad:
    values = agent_values(connection_type="POWERBI", connection_config={member: value})
    return Bad(name, values, [(f"/connection_config/{member}", sentence)])


BAD_AGENTS = [
    Bad("no name", _without("name"), [("/name", "Enter a name for the agent.")]),
    _agent("blank name", "/name", "Enter a name for the agent.", name=" \t "),
    _agent("a name that nobody sees", "/name", "Write at least one visible character.", name="\u200b\u202e \u2060"),
    _agent("null name", "/name", "Enter a name for the agent.", name=None),
    _agent("long name", "/name", "Use at most 255 characters.", name="x" * 256),
    _agent("name in two lines", "/name", ONE_LINE, name="Sales\nfigures"),
    _agent("name with a bell", "/name", ONE_LINE, name="Sales\a"),
    _agent("name with a line separator", "/name", ONE_LINE, name="Sales\u2028figures"),
    _agent("name with U+0000", "/name", NOT_TEXT, name="Sales\0"),
    _agent("name with half a pair", "/name", NOT_TEXT, name="Sales \ud83d"),
    _agent("name as a number", "/name", AS_TEXT, name=5),
    _agent("name as a list", "/name", AS_TEXT, name=["Sales"]),
    _agent("name as an object", "/name", AS_TEXT, name={"$enc": "v1:k1:AAAA"}),
    _agent("name as a truth", "/name", AS_TEXT, name=True),
    _agent("name with a head's line", "/name", ONE_LINE, name="Sales\r\nSet-Cookie: a=b"),
    _agent("name of most of a megabyte", "/name", "Use at most 255 characters.", name="x" * 900_000),
    _agent("name with an escape of the terminal", "/name", ONE_LINE, name="Sales\x1b[2J"),
    _agent("model as a number", "/model_type", AS_TEXT, model_type=5.5),
    _agent("external id as a number", "/external_id", AS_TEXT, external_id=5),
    _agent("long external id", "/external_id", "Use at most 200 characters.", external_id="x" * 201),
    _agent("external id in two lines", "/external_id", ONE_LINE, external_id="crm\n7"),
    _agent("long owner", "/owner", "Use at most 200 characters.", owner="x" * 201),
    _agent("owner with a direction mark", "/owner", f"{REMOVE_MARK} 5{WHY_MARK}", owner="Team\u202e"),
    _agent("unknown environment", "/environment", AN_ENVIRONMENT, environment="test"),
    _agent("environment with capitals", "/environment", AN_ENVIRONMENT, environment="Production"),
    _agent("environment as a list", "/environment", AN_ENVIRONMENT, environment=["production"]),
    _agent("labels as a text", "/labels", AN_OBJECT_OF_LABELS, labels=5),
    _agent("label with a number", "/labels/team", AS_TEXT, labels={"team": 5}),
    _agent("label that is null", "/labels/team", AS_TEXT, labels={"team": None}),
    Bad(
        "labels without a name, with a space and a slash at the end, and without a value",
        agent_values(labels={"": "finance", "cost center": "7", "a~/": "x", "team": "", "region": "emea"}),
        [
            ("/labels/", A_LABEL_NAME),
            ("/labels/cost center", A_LABEL_NAME),
            ("/labels/a~0~1", A_LABEL_NAME),
            ("/labels/team", NO_LABEL_VALUE),
        ],
    ),
    _agent("label with a long name", f"/labels/{'x' * 64}", A_LABEL_NAME, labels={"x" * 64: "7"}),
    _agent("label that ends with a dot", "/labels/team.", A_LABEL_NAME, labels={"team.": "finance"}),
    _agent("label with a long value", "/labels/team", "Use at most 200 characters.", labels={"team": "x" * 201}),
    _agent("labels as a list", "/labels", AN_OBJECT_OF_LABELS, labels=["team=finance"]),
    _agent("too many labels", "/labels", "Use at most 20 labels.", labels={f"n{n}": "x" for n in range(21)}),
    _agent("unknown provider", "/model_provider", A_PROVIDER, model_provider="acme"),
    _agent("provider as it is shown", "/model_provider", A_PROVIDER, model_provider="Azure OpenAI"),
    _agent("base URL as a number", "/model_base_url", AS_TEXT, model_base_url=5),
    _agent("base URL without scheme", "/model_base_url", A_MODEL_URL, model_base_url="api.openai.com/v1"),
    _agent("base URL with another scheme", "/model_base_url", A_MODEL_URL, model_base_url="ftp://api.openai.com"),
    _agent("base URL without host", "/model_base_url", A_MODEL_URL, model_base_url="https:///v1"),
    _agent("base URL with a bad port", "/model_base_url", A_PORT_OF_URL, model_base_url="https://a.example.org:70000"),
    *(
        _agent(
            f"base URL with a bad host, {host}",
            "/model_base_url",
            f"{BAD_HOST} {why}",
            model_base_url=f"https://{host}",
        )
        for host, why in {
            "2130706433": AN_IP_ADDRESS,
            "127.1:443": AN_IP_ADDRESS,
            "a..b": EMPTY_PART,
            "b\u00fccher.example": f"{A_HOST} This has U+00FC (latin small letter u with diaeresis) at character 2.",
        }.items()
    ),
    _agent("base URL with a backslash", "/model_base_url", A_URL_PATH, model_base_url="https://a.example.org\\@b.org"),
    _agent("base URL with a login", "/model_base_url", NO_LOGIN, model_base_url="https://u:geheim@a.example.org/v1"),
    _agent("base URL with a user", "/model_base_url", NO_LOGIN, model_base_url="https://sk-1234@a.example.org"),
    _agent("base URL with a key", "/model_base_url", NO_QUERY, model_base_url="https://a.example.org/v1?key=geheim"),
    _agent("base URL with a fragment", "/model_base_url", NO_QUERY, model_base_url="https://a.example.org/v1#key"),
    _agent("base URL with a way up", "/model_base_url", A_URL_PATH, model_base_url="https://a.example.org/v1/../x"),
    _agent("base URL with %2e%2E", "/model_base_url", A_URL_PATH, model_base_url="https://a.example.org/%2e%2E/x"),
    _agent("base URL with .%2e%5c", "/model_base_url", A_URL_PATH, model_base_url="https://a.example.org/v1/.%2e%5cx"),
    _agent("base URL with an empty part", "/model_base_url", A_URL_PATH, model_base_url="https://a.example.org/v1//x"),
    _agent("base URL with a space", "/model_base_url", A_URL_PATH, model_base_url="https://a.example.org/v 1"),
    _agent("public base URL without TLS", "/model_base_url", NO_TLS, model_base_url="http://api.openai.com/v1"),
    _agent("public address without TLS", "/model_base_url", NO_TLS, model_base_url="http://8.8.8.8:11434"),
    _agent("metadata address without TLS", "/model_base_url", NO_TLS, model_base_url="http://169.254.169.254/latest"),
    _agent(
        "long base URL",
        "/model_base_url",
        "Use at most 500 characters.",
        model_base_url="https://a.example.org/" + "x" * 500,
    ),
    _agent("invalid day of the API key", "/api_key_expires_at", NO_DAY, api_key_expires_at="2026-02-30"),
    _agent("day of the API key as a number", "/api_key_expires_at", A_DAY, api_key_expires_at=20260228),
    _database("invalid day of the password", "credential_expires_at", "tomorrow", A_DAY),
    _agent("instructions as a list", "/system_instructions", AS_TEXT, system_instructions=["Answer."]),
    _agent("instructions with half a pair", "/system_instructions", NOT_TEXT, system_instructions="a\udfff"),
    _agent("API key as a list", "/api_key", AS_TEXT, api_key=["sk-1234"]),
    _agent("API key as a number", "/api_key", AS_TEXT, api_key=1234),
    _agent("API key with U+0000", "/api_key", NOT_TEXT, api_key="sk\0"),
    _agent("hidden as API key", "/api_key", MASK, api_key="[hidden]"),
    _agent("long description", "/description", "Use at most 2,000 characters.", description="x" * 2_001),
    _agent("description with U+0000", "/description", NOT_TEXT, description="a\0b"),
    _agent("long model", "/model_type", "Use at most 100 characters.", model_type="x" * 101),
    _agent(
        "long instructions", "/system_instructions", "Use at most 32,000 characters.", system_instructions="x" * 32_001
    ),
    _agent("long API key", "/api_key", "Use at most 300 characters.", api_key="x" * 301),
    _agent("API key beyond ASCII", "/api_key", f"{ASCII} {HAS_UMLAUT} 8.", api_key="sk-schlüssel"),
    _agent("API key with a space", "/api_key", f"{ASCII} This has U+0020 (space) at character 3.", api_key="sk 1234"),
    _agent("API key with a space nobody sees", "/api_key", f"{ASCII} {HAS_NO_BREAK_SPACE} 3.", api_key="sk\u00a01234"),
    _agent("API key with a letter of another script", "/api_key", f"{ASCII} {HAS_CYRILLIC} 4.", api_key="sk-\u0430bc"),
    _agent("API key that is quotes", "/api_key", TYPE_IT, api_key='""'),
    _agent("setting without its key", "/api_key", TYPE_IT, api_key="OPENAI_API_KEY="),
    _agent("exported setting without its key", "/api_key", TYPE_IT, api_key="export OPENAI_API_KEY=''"),
    _agent("YAML without its key", "/api_key", TYPE_IT, api_key="api_key:"),
    _agent("setting with a comment", "/api_key", NO_COMMENT, api_key="OPENAI_API_KEY='sk-1234' # mine"),
    _agent("API key behind a lone quote", "/api_key", LONE_QUOTE, api_key="'sk-1234"),
    _agent("API key before a lone quote", "/api_key", LONE_QUOTE, api_key='sk-1234"'),
    _agent("name with a direction mark", "/name", f"{REMOVE_MARK} 7{WHY_MARK}", name="Sales \u202egpj.exe"),
    _agent("name with an isolate", "/name", REMOVE_ISOLATE, name="\u2066Sales\u2069"),
    _agent("model with a direction mark", "/model_type", f"{REMOVE_MARK} 2{WHY_MARK}", model_type="g\u202ept"),
    _agent("API key in two lines", "/api_key", ONE_LINE, api_key="sk-12\n34"),
    _agent("the word of files as API key", "/api_key", A_MARKER, api_key="stored"),
    _agent("the place of an API key", "/api_key", A_PLACE, api_key="file:secrets/sales key.txt"),
    _agent("mask as API key", "/api_key", MASK, api_key="********"),
    _agent("last four as they are shown", "/api_key", MASK, api_key="…wxyz"),
    _agent("crosses as API key", "/api_key", MASK, api_key="xxxxxxxx"),
    _agent("redacted as API key", "/api_key", MASK, api_key="<redacted>"),
    _agent("dots as API key", "/api_key", MASK, api_key="••••"),
    _agent("mask with the last four", "/api_key", MASK, api_key="••••••1234"),
    _agent(
        "API key as an object",
        "/api_key",
        "Send the secret itself as text; encrypted values are not accepted.",
        api_key={"$enc": "v1:k1:AAAA"},
    ),
    _agent("status", "/status", STATUS, status="disabled"),
    _agent("status null", "/status", STATUS, status=None),
    _agent(
        "reason",
        "/status_reason",
        "The reason cannot be set here. Disable the agent with a reason instead.",
        status_reason="moving",
    ),
    _agent("unknown member", "/color", UNKNOWN, color="red"),
    _agent(
        "a connection's member outside of it",
        "/credential_expires_at",
        "Set this at /connection_config/credential_expires_at.",
        credential_expires_at="2027-01-31",
    ),
    _agent("unknown member that is null", "/color", UNKNOWN, color=None),
    _agent("another account", "/account_id", UNKNOWN, account_id="6f9619ff-8b86-4011-b42d-00c04fc964ff"),
    _agent(
        "a version",
        "/version",
        "The version cannot be set. Leave it out.",
        version=7,
    ),
    _agent(
        "who created it",
        "/created_by",
        "The console sets this. Leave it out.",
        created_by="Ada",
    ),
    _agent("member with a slash", "/a~1b~0c", UNKNOWN, **{"a/b~c": 1}),
    _agent("note as a number", "/note", AS_TEXT, note=5),
    _agent("note as a list", "/note", AS_TEXT, note=["Moving."]),
    _agent("note as an object", "/note", AS_TEXT, note={"text": "Moving."}),
    _agent("note that is false", "/note", AS_TEXT, note=False),
    _agent("note with U+0000", "/note", NOT_TEXT, note="a\0b"),
    _agent("note with half a pair", "/note", NOT_TEXT, note="\ud800"),
    _agent("note in two lines", "/note", ONE_LINE, note="a\nb"),
    _agent("note with a bell", "/note", ONE_LINE, note="Sales\a"),
    _agent("note with an escape of the terminal", "/note", ONE_LINE, note="Sales\x1b[2J"),
    _agent("note with a line separator", "/note", ONE_LINE, note="Sales\u2028figures"),
    _agent("note with a direction mark", "/note", f"{REMOVE_MARK} 5{WHY_MARK}", note="Team\u202e"),
    _agent("long note", "/note", "Use at most 500 characters.", note="x" * 501),
    _agent("note of most of a megabyte", "/note", "Use at most 500 characters.", note="x" * 900_000),
    _agent("note that repeats the API key", "/note", SECRET, api_key="canary-key", note="Now canary-key."),
    Bad(
        "note that repeats the password of an agent without a name",
        agent_values(name="", note="Set cafe\u0301 27", connection_config={"password": "caf\u00e9 27"}),
        [("/name", "Enter a name for the agent."), ("/note", SECRET)],
    ),
    _agent("note with a private key", "/note", PRIVATE_KEY, note=pem.private_key().replace("\n", " ")),
    Bad("no type", _without("connection_type"), [("/connection_type", MISSING_TYPE)]),
    _agent("unknown type", "/connection_type", A_TYPE, connection_type="ORACLE"),
    _agent("type in small letters", "/connection_type", A_TYPE, connection_type="db"),
    _agent("type as a list", "/connection_type", A_TYPE, connection_type=["DB"]),
    _database("unknown dialect", "dialect", "oracle", "Choose one of: postgresql, mysql, mssql."),
    _database("no host", "host", "", "Enter the host."),
    _database("two hosts", "host", "a.example.org,b.example.org", A_HOST),
    _database(
        "host with a port",
        "host",
        "db.example.org:5432",
        f"{WHOLE} db.example.org in the field Host and 5432 in the field Port.",
    ),
    _database(
        "IPv6 host with a port", "host", "[::1]:5432", f"{WHOLE} ::1 in the field Host and 5432 in the field Port."
    ),
    _database(
        "host as a URL",
        "host",
        "postgresql://db.example.org",
        f"{WHOLE} postgresql in the field Database type and db.example.org in the field Host.",
    ),
    _database(
        "host as a URL with a password",
        "host",
        "postgresql://reader:geheim@db.example.org:5433/sales?sslmode=require&application_name=x",
        f"{WHOLE} postgresql in the field Database type, "
        + f"db.example.org in the field Host, 5433 in the field Port, {OTHERS}",
    ),
    _database(
        "connection string as host",
        "host",
        "Server=tcp:db.example.org,1433;Database=sales;User Id=reader;Password='gehe;im';Encrypt=True",
        f"{WHOLE} mssql in the field Database type, db.example.org in the field Host, 1433 in the field Port, {OTHERS}",
    ),
    _database(
        "URL as database name",
        "database",
        "mysql://reader:geheim@db.example.org/sales",
        f"{WHOLE} mysql in the field Database type, db.example.org in the field Host, {OTHERS_WITHOUT_TLS}",
    ),
    _database("page as host", "host", "https://db.example.org/admin", f"{WHOLE} db.example.org in the field Host."),
    _database(
        "instance as host",
        "host",
        "db.example.org\\SQLEXPRESS",
        f"{WHOLE} mssql in the field Database type and db.example.org in the field Host. "
        + "There is no field for the instance SQLEXPRESS. Enter its port in the field Port.",
    ),
    _database("two URLs as host", "host", "postgresql://u:geheim@a.example.org,b.example.org/d", UNREAD),
    _database("URL that breaks off in its password", "host", "postgresql://u:12?34@a.example.org/d", UNREAD),
    _database("socket folder as host", "host", "/var/run/postgresql", A_HOST),
    _database("second host behind a zone", "host", "fe80::1%a,b.example.org", A_HOST),
    _database("host as a decimal address", "host", "2130706433", AN_IP_ADDRESS),
    _database("host as a short address", "host", "127.1", AN_IP_ADDRESS),
    _database("host as a hexadecimal address", "host", "0x7f000001", AN_IP_ADDRESS),
    _database("host with an empty part", "host", "db..example.org", EMPTY_PART),
    _database("host with a long part", "host", "x" * 64, LONG_PART),
    _database("password as user name", "username", "password=Winter2024!", A_PASSWORD),
    _database("host with half a bracket", "host", "[::1", A_HOST),
    _database("host with the other half", "host", "::1]", A_HOST),
    _database("host in two brackets", "host", "[[::1]]", A_HOST),
    _database("IPv4 host in brackets", "host", "[127.0.0.1]", A_HOST),
    _database("name in brackets", "host", "[db.example.org]", A_HOST),
    _database("nothing in brackets", "host", "[]", A_HOST),
    _database(
        "host in a user's name",
        "host",
        "root@db.example.org",
        f"{WHOLE} db.example.org in the field Host and {USER_NAME}.",
    ),
    _database("host beyond ASCII", "host", "d\u00fctenbank.example.org", f"{A_HOST} {HAS_UMLAUT} 2."),
    _database("long host", "host", "a." * 127, "Use at most 253 characters."),
    _database("port 0", "port", 0, "Port must be between 1 and 65,535."),
    _database("port too great", "port", 65_536, "Port must be between 1 and 65,535."),
    _database("port below zero", "port", -1, "Port must be between 1 and 65,535."),
    _database("huge port", "port", 10**30, "Port must be between 1 and 65,535."),
    _database("port with a fraction", "port", 54.32, "Port must be a whole number."),
    _database("port as a word", "port", "ssh", "Port must be a whole number."),
    _database("port as a truth", "port", True, "Port must be a whole number."),
    _database("port in other digits", "port", "٥٤٣٢", "Port must be a whole number."),
    _database("port as a power", "port", "1e3", "Port must be a whole number."),
    _database("port in hexadecimal", "port", "0x1538", "Port must be a whole number."),
    _database("port with a line below", "port", "5_432", "Port must be a whole number."),
    _database("port as a list", "port", [5432], "Port must be a whole number."),
    _database("port with digits without end", "port", "9" * 5_000, "Port must be a whole number."),
    _database("host with a head's line", "host", "db.example.org\r\nX: y", ONE_LINE),
    _database("host as a template", "host", "{{7*7}}", A_HOST),
    _database("host as SQL", "host", "a'; DROP TABLE agents; --", f"{A_HOST} {HAS_SPACE} 4."),
    _database("host as an object", "host", {"$enc": "v1:k1:AAAA"}, AS_TEXT),
    _database("read only as a word", "read_only", "maybe", "Choose true or false."),
    _database("password as a list", "password", ["one"], AS_TEXT),
    _database("password with half a pair", "password", "\ud800", NOT_TEXT),
    _database("no database", "database", None, "Enter the database name."),
    _database("no user name", "username", " ", "Enter the user name."),
    _database("long database", "database", "x" * 129, "Use at most 128 characters."),
    _database(
        "user name as a URL",
        "username",
        "postgresql://joe:s3cr3t@db:6432/sales",
        f"{WHOLE} postgresql in the field Database type, "
        + f"db in the field Host, 6432 in the field Port, {OTHERS_WITHOUT_TLS}",
    ),
    _database(
        "user name as settings",
        "username",
        "user=joe password=s3cr3t host=db",
        f"{WHOLE} db in the field Host, {USER_NAME} and the password in the field Password.",
    ),
    _database("user name as a URL of two hosts", "username", "postgresql://u:geheim@a,b/d", UNREAD),
    _power_bi("URL of a database as user", "impersonated_user_name", "postgresql://joe:s3cr3t@db/sales", A_USER),
    _power_bi("settings as user", "impersonated_user_name", "user=joe password=s3cr3t host=db", A_USER),
    _power_bi(
        "address of a dataset as user",
        "impersonated_user_name",
        f"https://app.powerbi.com/groups/{WORKSPACE}/datasets/{CLIENT}/details",
        f"{WHOLE} {WORKSPACE} in the field Workspace ID and {CLIENT} in the field Dataset ID.",
    ),
    _database("host with a direction mark", "host", "db.\u202eexample.org", f"{REMOVE_MARK} 4{WHY_MARK}"),
    _power_bi("tenant with a direction mark", "tenant_id", "a.\u202eexample.org", f"{REMOVE_MARK} 3{WHY_MARK}"),
    _database("user name with U+0000", "username", "reader\0", NOT_TEXT),
    _database("mask as password", "password", "***", MASK),
    _database("the word of files as password", "password", "stored", A_MARKER),
    _database("the place of a password", "password", "env:SALES_PASSWORD", A_PLACE),
    _power_bi("the word of files as client secret", "client_secret", "Stored ", A_MARKER),
    _database("password in two lines", "password", "one\ntwo", ONE_LINE),
    _database("long password", "password", "x" * 1_025, "Use at most 1,024 characters."),
    _database(
        "encrypted password",
        "password",
        {"$enc": "v1:k1:AAAA"},
        "Send the secret itself as text; encrypted values are not accepted.",
    ),
    _database("unknown TLS mode", "sslmode", "allow", "Choose one of: disable, require, verify-ca, verify-full."),
    _database("root certificate without end", "ssl_root_cert", CERTIFICATE_WITHOUT_END, A_CERTIFICATE),
    _database("many certificates and a stray sign", "ssl_root_cert", MANY_CERTIFICATES, A_CERTIFICATE),
    _database("invalid root certificate", "ssl_root_cert", NO_CERTIFICATE, DAMAGED),
    _database("root certificate before its key", "ssl_root_cert", pem.certificate() + pem.private_key(), NO_KEY),
    _power_bi("certificate before its key", "certificate_pem", pem.certificate() + pem.private_key(), KEY_BELONGS),
    _power_bi("certificate behind its key", "certificate_pem", pem.private_key() + pem.certificate(), KEY_BELONGS),
    _power_bi("key as certificate", "certificate_pem", pem.keys()["encrypted EC"], KEY_BELONGS),
    _power_bi("half of a key behind a certificate", "certificate_pem", HALF_A_KEY, KEY_BELONGS),
    _power_bi("certificate of no version", "certificate_pem", pem.certificate_of_no_version(), DAMAGED),
    _power_bi("invalid certificate", "certificate_pem", NO_CERTIFICATE, DAMAGED),
    _power_bi(
        "request as certificate", "certificate_pem", NO_CERTIFICATE.replace("CATE", "CATE REQUEST"), A_CERTIFICATE
    ),
    _power_bi("certificate as key", "private_key_pem", pem.certificate(), CERTIFICATE_BELONGS),
    _power_bi(
        "key behind its certificate", "private_key_pem", pem.certificate() + pem.private_key(), CERTIFICATE_BELONGS
    ),
    _power_bi("two keys", "private_key_pem", pem.private_key() * 2, TWO_KEYS),
    _power_bi("key of a shell", "private_key_pem", NO_KEY_PEM.format("OPENSSH PRIVATE KEY"), A_KEY),
    _power_bi("public key as key", "private_key_pem", NO_KEY_PEM.format("PUBLIC KEY"), A_KEY),
    _power_bi("invalid private key", "private_key_pem", NO_KEY_PEM.format("PRIVATE KEY"), DAMAGED_KEY),
    _database("read only as a number", "read_only", 1, "Choose true or false."),
    _database("row limit 0", "row_limit", 0, "Row limit must be between 1 and 1,000,000."),
    _database(
        "short statement timeout", "statement_timeout_ms", 99, "Statement timeout must be between 100 and 600,000."
    ),
    _database("tables as one text", "table_allow_list", "orders", "Write this as a list of texts."),
    _database("tables with a number", "table_allow_list", ["orders", 5], AS_TEXT),
    _database("too many schemas", "schema_allow_list", [f"s{n}" for n in range(201)], "Use at most 200 entries."),
    _unknown_of_database("driver options", 1, options="-c search_path=secret"),
    _unknown_of_database("password file", 1, passfile="/etc/passwd"),
    _unknown_of_database("a stored secret by name", 1, **{"$enc": "v1:k1:AAAA"}),
    _unknown_of_database("secrets as names", 2, **{"hunter2": "", "Tr0ub4dor&3/": None}),
    _power_bi(
        "tenant in one word",
        "tenant_id",
        "contoso",
        "Write the tenant's UUID or its domain, such as contoso.onmicrosoft.com.",
    ),
    _power_bi("client in another script", "client_id", f"\u0430{CLIENT[1:]}", f"{A_UUID} {HAS_CYRILLIC} 1."),
    _power_bi("client cut short", "client_id", CLIENT[:-1], A_UUID),
    _power_bi(
        "address as dataset",
        "dataset_id",
        f"https://app.powerbi.com/groups/{WORKSPACE}/datasets/{CLIENT}/details",
        f"{WHOLE} {WORKSPACE} in the field Workspace ID and {CLIENT} in the field Dataset ID.",
    ),
    _power_bi(
        "client secret with a space nobody sees",
        "client_secret",
        "abc\u200bdef",
        "Remove U+200B (zero width space) at character 4: it is invisible.",
    ),
    _power_bi("client with a line below", "client_id", "6_9619ff-8b86-4011-b42d-00c04fc964ff", A_UUID),
    _power_bi("workspace by name", "workspace_id", "Finance", A_UUID),
    _power_bi(
        "the secret's ID",
        "client_secret",
        "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "This looks like the secret's ID. Paste the secret's value, which is shown once when it is made.",
    ),
    _power_bi("invalid date", "credential_expires_at", "2026-13-01", NO_DAY),
    _power_bi("a day as a number", "credential_expires_at", 20260228, "Write the date as YYYY-MM-DD."),
    _power_bi("unknown cloud", "cloud", "moon", "Choose one of: public, china, usgov, usgovhigh, usgovmil."),
    _power_bi("too many rows", "row_limit", 100_001, "Row limit must be between 1 and 100,000."),
    _power_bi("a database's member", "host", "db.example.org", UNKNOWN),
    Bad(
        "settings as a list",
        {**agent_values(), "connection_config": [1]},
        [("/connection_config", "Write this as an object.")],
    ),
    Bad(
        "everything at once",
        agent_values(name="", api_key="***", connection_config={"host": "a b", "port": 0, "x": 1}),
        [
            ("/name", "Enter a name for the agent."),
            ("/api_key", MASK),
            ("/connection_config/host", f"{A_HOST} {HAS_SPACE} 2."),
            ("/connection_config/port", "Port must be between 1 and 65,535."),
            ("/connection_config", NOT_MEMBERS.format("1 member here is")),
        ],
    ),
]

# The notes that are refused whatever else is sent, with their sentences. Every change of agents takes a note.
BAD_NOTES = {
    bad.name: (bad.values["note"], bad.refused[0][1])
    for bad in BAD_AGENTS
    if "note" in bad.values and ("/note", SECRET) not in bad.refused
}

# Notes without a text: every door takes them, and stores nothing.
EMPTY_NOTES = {"null": None, "empty": "", "only blanks": " \t\u00a0 "}
