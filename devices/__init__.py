"""The devices of the machine: memory, interrupts, and what sits on the bus.

Nothing here knows the machine or its CPU. A device gets what it needs (guest memory, an interrupt line, a
clock) as small protocols, keeps no thread, and works only while one of its methods runs.
"""
