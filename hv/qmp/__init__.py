"""The QEMU Machine Protocol: tools that were written for QEMU watch and steer a running guest of ours.

`server.QmpServer` listens on a unix socket and serves any number of clients between two slices of the guest;
`commands.COMMANDS` is all it can do. Whatever changes the guest goes through `hv.vm.Vm.enter`, at a virtual
time, and can be recorded and replayed like a key. What a client only asks, and when it asks, changes nothing.

A client is untrusted: what it sends is bounded and validated, its mistakes are answered in QEMU's words, and
one that hangs or vanishes costs the guest nothing. The socket belongs to its owner alone.

Source: QEMU's `docs/interop/qmp-spec.rst` and `qapi/*.json`; the texts of errors are those of QEMU 7.2, with
which `tests/peers/test_qmp.py` compares.
"""
