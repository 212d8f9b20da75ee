"""What a valid value is: its rule, limit, spelling and refusal. Whole records are in `schemas/`."""
