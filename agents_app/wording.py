"""How a message writes a number, and the label of a field in the middle of a sentence."""


def number_text(number: int) -> str:
    """A whole number as every message shows it, such as "65,535"."""
    return f"{number:,}"


def label_in_sentence(label: str) -> str:
    """A label without its capital letter, unless it begins with an abbreviation: "password", but "API key"."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]
