"""Graphs as Python that needs NumPy alone.

`table` has an `expression` for each primitive, `block` makes lines of nodes, `inclusion` takes functions of this
package (and `helpers`) into the file as they are, `module` puts the file together. Open `table` first.
"""
