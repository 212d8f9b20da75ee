"""How a message writes a number, a number of seconds, and the label of a field in the middle of a sentence."""


def number_text(number: int) -> str:
    """A whole number as every message shows it, such as "65,535"."""
    return f"{number:,}"


def seconds_text(seconds: int) -> str:
    """A number of seconds in a sentence, such as "1 second"."""
    return f"{number_text(seconds)} second{'s' * (seconds != 1)}"


def label_in_sentence(label: str) -> str:
    """A label without its capital letter, unless it begins with an abbreviation: "password", but "API key"."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]
