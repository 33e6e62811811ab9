"""What holds of a device whatever its driver does: `check` runs a program and raises where it does not.

Any exception is a finding: nothing that a driver does may raise. To see accesses outside RAM, run it without
jit (NUMBA_DISABLE_JIT=1): then numpy checks indices, and `GuardedRam` refuses those that count from the end.
"""

import warnings

from devices.virtio.balloon import Balloon
from hv.conformance.driver import Driver
from tests.fuzz.program import Program


def check(data: bytes) -> None:
    """Run a program and raise if the device does what it must not.

    A program that saves is run once more without that: its driver must not be able to tell.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        saved, end = _run(data, save=True)
        if saved:
            _, other = _run(data, save=False)
            for name, value in end.items():
                assert value == other[name], f"restored, {name} is {value}, not {other[name]}"


def _run(data: bytes, save: bool) -> tuple[bool, dict[str, object]]:
    """Run a program; return whether it saved, and what its driver and its host see at the end."""
    program = Program(data)
    saved = False
    while (works := program.step()) is not None:
        if works:
            program.slot.settle()
        if program.saves and save:
            saved = True
            _replace(program)
        program.slot.see_registers()
    program.slot.settle()
    slot = program.slot
    end = {"heard": program.heard, "ram": slot.memory.ram.tobytes(), "state": slot.mmio.save()}
    if isinstance(slot.device, Balloon):
        end["hinted"] = slot.device.hinted.tolist()
    _take_over(program)
    return saved, end


def _replace(program: Program) -> None:
    """Save the program's device, and go on with a fresh one that is restored."""
    old, new = program.slot, program.fresh()
    new.memory.ram[:] = old.memory.ram
    state = old.mmio.save()
    new.mmio.restore(state)
    assert new.mmio.save() == state
    assert new.irq() == old.irq()
    program.replace(new)


def _take_over(program: Program) -> None:
    """A good driver resets the device and is served."""
    driver = Driver(program.slot, program.device, program.interface)
    driver.reset()
    assert driver.status == 0
    assert not driver.interrupts()
    assert not program.slot.irq()
    driver.start()
    assert driver.serves()
    assert driver.status == driver.working
