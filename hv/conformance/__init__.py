"""The conformance suite: virtio's clauses, the tests that show them, and any device put to these tests.

`Dut` (dut.py) is a device under test: ours, QEMU's, a user's. `Driver` (driver.py) is a driver without a
guest that can also do everything wrong. Tests (tests/conformance) name their clauses (`@clauses`, marks.py)
out of the register (register.py); plugin.py gives them devices and judges what came out; suite.py runs all.
"""
