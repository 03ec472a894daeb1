"""Local ranks: processes that this one starts, so that one program uses several cores.

`team` is what programs use: rank 0's side. `group` is how ranks add up and gather, in shared memory (`memory`), with
`sockets` to wait on. `start` says whether there can be a team here and starts a process, `child` is what runs in it,
`children` is what the first process knows of them: what it sends (`messages`), and what has become of them. A forked
process gets none of it (`forks`).

Nothing here is imported by the package above, because a rank imports no more than it needs. Open `team` first.
"""
