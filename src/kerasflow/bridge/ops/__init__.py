"""Keras's backend operations on arrays and tracers.

In come a layer's or a user's arguments: arrays, variables, numbers, lists; out go arrays, or tracers while a program is
recorded. An operation is made of NumPy's functions, or of primitives where NumPy has none (`apply`), and changes
nothing in place. It may use Keras's dtypes, scopes and nested structures, and nothing of ours that knows of models.

`core`, `nn`, `math` and `image` are modules as Keras wants them: what is not written there they gather from the
families, one a file, which do not import them. `numpy` is what replaces functions of a module of Keras's own. Open
`tensors` first, on which all others stand, then `core`.
"""
