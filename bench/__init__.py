"""What is measured, side by side with peers: `make bench`, or `python -m bench [contest ...]`.

A contest has the same work done by several contestants in turn, several times, and compares the medians
(`contest`). Nothing here fails because of a time; docs/performance.md has figures and where the time goes.
"""
