"""Says where a YAML text is invalid and why, without any of its content, which may be a secret."""

import yaml

from agents_app.wording import number_text

# What the library says that it was reading, and what it then found; what is named, and what to do.
CONSTRUCTS = (
    ("flow sequence", "", "the list that begins with [", "A comma or the closing ] is missing."),
    ("flow mapping", "", "the object that begins with {", "A comma or the closing } is missing."),
    ("quoted scalar", "end of stream", "the text in quotes that begins", "The closing quotation mark is missing."),
    ("quoted scalar", "escape", "the text in quotes that begins", "In double quotes, write a backslash twice."),
    ("block mapping", "", "the object that begins", "Begin all its members in the same column."),
    ("block collection", "", "the list that begins", "Begin all its items with - in the same column."),
    ("simple key", "", "the member that begins", "A colon and a space after its name are missing."),
    (
        "",
        "mapping values",
        "",
        "No member can begin here. Put a text with a colon in quotes, or correct the indentation.",
    ),
    ("", "cannot start", "", "A value cannot begin so. Put it in quotes, and indent with spaces instead of tabs."),
    ("", "sequence entries", "", "Begin a list on a line of its own."),
)


def sentence(error: yaml.MarkedYAMLError) -> str:
    """Where the text is invalid, in which construct and where that begins, and why if the kind is known."""
    mark = error.problem_mark or error.context_mark
    where = f" at line {number_text(mark.line + 1)}, column {number_text(mark.column + 1)}" if mark else ""
    context, problem = error.context or "", error.problem or ""
    for reading, found, construct, reason in CONSTRUCTS:
        if reading in context and found in problem:
            begins = error.context_mark if construct else None
            inside = f", in {construct} at line {number_text(begins.line + 1)}" if begins else ""
            return f"The YAML is invalid{where}{inside}. {reason}"
    return f"The YAML is invalid{where}."
