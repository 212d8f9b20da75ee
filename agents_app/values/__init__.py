"""What a value is: its rule, limit, spelling and refusal. What a whole record is lives in `schemas/`."""
