"""The maximum lengths of values, in characters. Columns, forms and the API share them."""

NAME = 255
DESCRIPTION = 2_000
MODEL_TYPE = 100
# 300 printable ASCII characters, encrypted and encoded, fit into the 500 characters of the column.
API_KEY = 300
API_KEY_COLUMN = 500
INSTRUCTIONS = 32_000
STATUS_COLUMN = 50
STATUS_REASON = 500
EMAIL = 254
PASSWORD_MIN = 12
PASSWORD_MAX = 1_024
SEARCH = 200
# The body of a request, in bytes.
BODY_BYTES = 1_000_000
