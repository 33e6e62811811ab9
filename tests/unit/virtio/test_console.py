"""The virtio console: bytes in both directions, whatever the buffers, and over a reset."""

from hypothesis import given
from hypothesis import strategies as st

from devices.virtio.console import INPUT_MAX, VirtioConsole
from hv.conformance.dut import RAM_BASE
from hv.conformance.ours import Slot
from hv.conformance.ring import Buffer
from tests.harness.virtio_driver import Driver

RECEIVEQ, TRANSMITQ = 0, 1
ROOM = 0x1000


def started(console: VirtioConsole) -> Driver:
    """Return a driver whose console is up; the first pages of RAM are its own."""
    driver = Driver(Slot(console))
    driver.take(0x8000)
    driver.start()
    return driver


def offer(driver: Driver, *lengths: int) -> None:
    """Make buffers for input available, one a page from the start of RAM, and notify."""
    ring = driver.rings[RECEIVEQ]
    for index, length in enumerate(lengths):
        ring.make_available(ring.chain([Buffer(RAM_BASE + index * ROOM, length, True)]))
    driver.notify(RECEIVEQ)


def arrived(driver: Driver) -> list[bytes]:
    """Return what came in the buffers that were given back since, as `offer` placed them."""
    return [
        driver.memory.read(RAM_BASE + index * ROOM, written)
        for index, (_, written) in enumerate(driver.rings[RECEIVEQ].reap())
    ]


@given(
    chunks=st.lists(st.binary(max_size=50), max_size=6),
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=7),
)
def test_input_arrives_whole_and_in_order(chunks: list[bytes], lengths: list[int]) -> None:
    """No buffer comes back empty, and what finds none waits for the next."""
    console = VirtioConsole(lambda _byte: None)
    driver = started(console)
    offer(driver, *lengths)
    for chunk in chunks:
        console.receive(chunk)
        driver.dut.settle()
    came = arrived(driver)
    typed = b"".join(chunks)
    assert all(came)
    assert all(len(piece) <= length for piece, length in zip(came, lengths, strict=False))
    offer(driver, ROOM)
    assert b"".join([*came, *arrived(driver)]) == typed


def test_output_comes_from_all_readable_pieces() -> None:
    """The host gets what the driver sends, byte by byte in order, and the driver its buffers."""
    output = bytearray()
    driver = started(VirtioConsole(output.append))
    driver.memory.write(RAM_BASE, b"hello, world")
    assert driver.submit(TRANSMITQ, [Buffer(RAM_BASE, 7), Buffer(RAM_BASE + 7, 5)])[1] == 0
    assert output == b"hello, world"


def test_input_outlives_a_reset() -> None:
    """What came before there was a driver, or between two, is there for the next one."""
    console = VirtioConsole(lambda _byte: None)
    console.receive(b"early ")
    driver = started(console)
    driver.reset()
    console.receive(b"late")
    driver.start()
    offer(driver, ROOM)
    assert arrived(driver) == [b"early late"]


def test_a_legacy_driver_that_waits_before_it_is_ready_is_not_forgotten() -> None:
    """Its buffers are there before DRIVER_OK, and what comes meanwhile is in them from DRIVER_OK on."""
    console = VirtioConsole(lambda _byte: None)
    driver = Driver(Slot(console, interface="legacy"))
    driver.take(0x8000)
    driver.negotiate(0)
    driver.set_up_queue(RECEIVEQ, 16)
    offer(driver, ROOM)
    console.receive(b"early")
    driver.status = driver.working
    driver.dut.settle()
    assert arrived(driver) == [b"early"]


def test_a_flood_is_cut() -> None:
    """A host that sends more than anybody reads loses the end of it, and no memory."""
    console = VirtioConsole(lambda _byte: None)
    console.receive(bytes(INPUT_MAX - 1))
    console.receive(b"xyz")
    assert console.save() == {"input": bytes(INPUT_MAX - 1) + b"x"}


def test_a_buffer_without_room_is_given_back() -> None:
    """A receive buffer that the device cannot write to comes back empty and takes no input with it."""
    console = VirtioConsole(lambda _byte: None)
    driver = started(console)
    console.receive(b"x")
    ring = driver.rings[RECEIVEQ]
    ring.make_available(ring.chain([Buffer(RAM_BASE, 4)]))
    driver.notify(RECEIVEQ)
    assert [written for _, written in ring.reap()] == [0]
    assert console.save() == {"input": b"x"}
