"""What is decided: a graph comes in, a graph for NumPy and the place of every value in memory go out.

In the order in which data passes: `prepare` (with `combinations`) rewrites what NumPy does slowly, `blocks` (with
`partition` and `scans`) cuts up what treats samples alike, `fusion` finds updates that many variables share, `storage`
and `subgraphs` give each value memory, `allocation` gives memory its place. It knows graphs, and nothing of text or of
arrays that exist. Open `storage` first.
"""
