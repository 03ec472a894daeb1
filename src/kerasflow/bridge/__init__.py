"""The bridge: everything that knows Keras's private API. Nothing else imports `keras.src`.

In comes what Keras asks of a backend, and what users ask of a model (`explain`, `export_numpy`, `plot_graph`,
`profile`); out go NumPy calls on arrays and tracers, reads and assignments of cells, and functions to compile.
It may use every package below it. What it changes in Keras's own modules is in `adjust`.

Open `install` first: it says which file here is served as which module of Keras's. `install` comes before Keras, with
the table of `adjust`; all other files come with Keras, or after it.
"""
