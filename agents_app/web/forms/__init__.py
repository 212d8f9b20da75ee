"""The forms of the pages: inputs, labels, order. No rules: `submit` calls an operation, which has them."""
