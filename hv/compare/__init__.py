"""The eras of the balloon driver side by side: the same workload through each, one table, one page.

`journey` takes an era through the workload and keeps evidence (`evidence`): what crossed each device and
when, what the host's memory was at every such moment, who owned each page at each phase (`pagemap`).
`metrics` is the table of what is read from it, each with its definition; `verdict` says what the figures
mean. `show` prints, `page` and its drawings (`timeline`, `cells`) write HTML.

All of it is virtual time and counted pages: two comparisons of the same plan are the same, byte for byte.
"""
