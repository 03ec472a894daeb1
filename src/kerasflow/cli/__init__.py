"""The `kerasflow` command: arguments come in, text and an exit status go out.

`main` has the table of commands. `parser` and `kinds` say what is wrong in the arguments, `screen` where colour may
be, `completion` what a shell may add. `mnist` trains, `backends` lists, `compare` runs a program on several backends,
the last two in `processes` of their own; `versions` is for reports of bugs. It may use everything below, and Keras as
users do. Open `main` first.
"""
