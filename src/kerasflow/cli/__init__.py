"""The `kerasflow` command: arguments come in, text and an exit status go out.

`main` has the table of commands; `mnist` trains, `backends` lists, `compare` runs a program on several backends, the
last two in `processes` of their own. It may use everything below, and Keras as users do. Open `main` first.
"""
