"""The maximum lengths of values, in characters, and other maximum values. Columns, forms and the API share them."""

NAME = 255
DESCRIPTION = 2_000
MODEL_TYPE = 100
MODEL_BASE_URL = 500
EXTERNAL_ID = 200
OWNER = 200
# A column for a word of a list of choices.
CHOICE_COLUMN = 50
# The number of labels of an agent, and the lengths of the name and the value of each.
LABELS = 20
LABEL_NAME = 63
LABEL_VALUE = 200
# 300 printable ASCII characters, encrypted and encoded, fit into the 500 characters of the column.
API_KEY = 300
API_KEY_COLUMN = 500
INSTRUCTIONS = 32_000
STATUS_COLUMN = 50
STATUS_REASON = 500
CHANGE_NOTE = 500
EMAIL = 254
# The longest subject of an identity (OpenID Connect Core 1.0, section 2).
SUBJECT = 255
INVITATION_NOTE = 200
PASSWORD_MIN = 12
PASSWORD_MAX = 1_024
SEARCH = 200
# A DNS name.
HOST = 253
# An IPv6 address in its longest spelling.
IP_ADDRESS = 45
# Days before a credential expires in which the console warns.
EXPIRY_WARNING_DAYS = 30
# Days without a fetch after which an agent that was fetched before needs attention.
NOT_FETCHED_DAYS = 30
# Agents in one check of a runtime, and the length of each ETag.
CHECKED_AGENTS = 500
ETAG = 200
# Numbers, not lengths: the highest port, and the body of a request in bytes.
PORT = 65_535
BODY_BYTES = 1_000_000
# A file of agents: its size in bytes, at the terminal and in a request, and the number of its agents.
FILE_BYTES = 64_000_000
FILE_BODY_BYTES = 16_000_000
FILE_AGENTS = 5_000
# The values in a file: far more than its agents can have.
FILE_VALUES = 500_000
