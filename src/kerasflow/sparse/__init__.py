"""What is done with sparse tensors: functions of NumPy's on the arrays that these are made of.

In come `tracing.sparse.SparseTensor`s, eager or traced, and out go such, or dense results. It knows tracing and NumPy;
which of Keras's operations is which of these functions is the bridge's table. Open `places` first.

- `places`: stored numbers by place; those of one place added up.
- `elementwise`: functions of one tensor, and of two.
- `arrays`: shapes, sums and tensors side by side.
- `products`: products of matrices.
"""
