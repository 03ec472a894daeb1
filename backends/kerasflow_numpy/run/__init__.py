"""What runs: code comes in, a program that threads call goes out.

`program` is called, `binding` puts arrays behind the names of its code, `workspace` keeps a thread's memory, `measure`
puts a clock behind each line. The others are called by generated code: `kernels`, `parallel`, `convolution` (with
`depthwise` and `patches`), `pooling`, `blas`. Open `program` first.
"""
