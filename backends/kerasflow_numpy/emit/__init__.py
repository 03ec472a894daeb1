"""The text: a planned graph comes in, the lines of a function go out (`code`), with what their names stand for.

`codegen` writes, node by node, with `lowering`'s table (`algebra` is a part of it) and `control` for what has bodies.
It knows what was decided in `plan`, and runs nothing. Open `codegen` first.
"""
