"""Users' YAML into the model: strict, with every value's ``file:line``, all faults of a file at once."""
