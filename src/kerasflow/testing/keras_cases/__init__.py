"""Keras programs whose results must not depend on what runs them: the cases of parity, and a zoo of networks.

`tables.all_cases` has a case for every public layer, loss, metric, optimizer, … of Keras, `zoo.ARCHITECTURES` small
networks with tasks. All of it is plain Keras, imports within it are relative, and so this folder is also a package
`keras_cases` of its own: stock Keras runs the same programs in a process that must not import kerasflow.
Open `case` first.
"""
