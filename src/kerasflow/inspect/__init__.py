"""What can be seen of a program: a model or a function comes in, text, tables and pictures go out.

`explain`, `plot_graph` and `profile` are what users call, `traceable` what they take. `costs` is what a step costs,
as data, `report` its text, `drawing` the pictures. `in_step` runs two backends operation by operation. It stands
above the bridge, and nothing below knows it. Open `explain` first.
"""
