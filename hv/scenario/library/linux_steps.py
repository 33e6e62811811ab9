"""Linux's balloon driver over a hibernation, register by register."""

from devices.virtio.constants import (
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_STATUS,
)
from hv.scenario import LinuxGuest, Run, World, scenario

TARGET = 65536

_ACTUAL = VIRTIO_MMIO_CONFIG + 4
_STEPS = {VIRTIO_MMIO_STATUS: "Status", VIRTIO_MMIO_QUEUE_READY: "QueueReady"}


class _Steps:
    """Logs what a driver writes to its balloon's slot, many of `actual` as one (a `TransportWatcher`)."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._actuals: list[int] = []
        run.machine.slot("balloon").watchers.append(self)

    def read(self, offset: int, size: int, value: int) -> None:
        """Nothing is done by reading."""

    def wrote(self, offset: int, size: int, value: int) -> None:
        """Log a step."""
        if offset == _ACTUAL:
            self._actuals.append(value)
            if len(self._actuals) == 1:
                self._run.log("driver", f"actual = {value}, the first; {self._moved()}")
        elif offset in _STEPS:
            self.tell()
            self._run.log("driver", f"{_STEPS[offset]} = {value:#x}; {self._moved()}")

    def tell(self) -> None:
        """Log how often `actual` was written since the last step."""
        if self._actuals:
            times, last = len(self._actuals), self._actuals[-1]
            self._run.log("driver", f"actual = {last}, the last of {times}; {self._moved()}")
            self._actuals.clear()

    def _moved(self) -> str:
        counters = self._run.balloon.counters
        given = f"{counters.inflated_pages} pages given in {counters.inflate_requests} requests"
        return f"{given}, {counters.deflated_pages} asked back in {counters.deflate_requests}"


@scenario(guests=("linux",), eras=LinuxGuest.eras, carriers=LinuxGuest.carriers)
def linux_steps(world: World) -> None:
    """Half of RAM ballooned: each step of the driver, with its time and what moved (--log shows them).

    Nothing is inflated between the thaw that writes the image and the power-off. The kernel that loads it
    has a balloon of its own for a while, which it gives back.
    """
    run = world.boot()
    steps = _Steps(run)
    run.enable_swap()
    run.touch(1000)
    run.set_target(TARGET)
    run.until_target()
    steps.tell()
    run.balance("inflated")
    world.figure("host_pages_before", run.host_pages())
    run.hibernate()
    steps.tell()
    counters = run.balloon.counters
    world.figure("inflate_requests", counters.inflate_requests)
    world.figure("given", counters.inflated_pages, expected=TARGET)
    world.figure("asked_back", counters.deflated_pages, expected=TARGET)
    world.figure("host_pages_at_power_off", run.host_pages())

    run = world.power_on()
    steps = _Steps(run)
    run.until_resumed()
    run.until_target()
    steps.tell()
    counters = run.balloon.counters
    world.figure("of_the_boot_kernel", counters.inflated_pages - TARGET)
    world.figure("given_back_by_it", counters.deflated_pages, expected=counters.inflated_pages - TARGET)
    run.verify()
    run.balance("resumed")
