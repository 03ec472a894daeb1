"""A program as one would write it: `kerasflow.explain`'s text.

`sections` says which part of a step a node belongs to, `naming` what its result is called, `writing` makes the lines,
`explanation` is what users get. Open `writing` first.
"""
