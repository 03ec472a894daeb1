"""Specs of what ranks do together, in a group of one, and of what depends on a rank's number."""

from __future__ import annotations

import numpy as np

from kerasflow.testing.spec import ALL, Operand, OpSpec

SPECS: tuple[OpSpec, ...] = (
    *(
        OpSpec("all_reduce", operands, differentiable=tuple(range(len(operands)))[:2])
        for operands in ((Operand((2, 3)),), (Operand((2,)), Operand(), Operand((0, 2))))
    ),
    OpSpec("all_gather", (Operand((2, 3)),), {"axis": 1, "sizes": (3,), "size": 3}, ALL, (0,)),
    *(
        OpSpec("own_part", (Operand((2, 3)),), {"axis": axis, "sizes": (n,), "size": n}, ALL, (0,))
        for axis, n in enumerate((2, 3))
    ),
    # Of several ranks' parts the second, though nobody else is here.
    OpSpec("own_part", (Operand((4, 5)),), {"axis": 1, "sizes": (2, 3), "size": 3}, ALL),
    *(
        OpSpec(
            "random_part",
            (Operand(dtype="uint32", values=(7, 2**31 + 5)),),
            {"shape": (9, 5), "dtype": np.dtype(bits), "sizes": (4, 5), "size": 5},
            ("uint32",),
        )
        for bits in ("uint8", "uint32", "uint64")
    ),
)
