"""The forms of the pages: inputs, labels, order. No rules: `submit` calls the operation."""
