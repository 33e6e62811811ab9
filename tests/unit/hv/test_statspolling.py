"""Polling statistics: at which virtual times the host asks, and when an answer counts as come."""

from hypothesis import given
from hypothesis import strategies as st

from devices.virtio.balloon import Balloon
from hv.statspolling import StatsPolling


class Listening(Balloon):
    """A balloon that notes how often it was asked."""

    asked = 0

    def request_stats(self) -> bool:
        """Count."""
        self.asked += 1
        return True


@given(st.integers(1, 1000), st.lists(st.integers(0, 5000), max_size=30))
def test_requests_are_due_at_multiples_of_the_interval(interval: int, times: list[int]) -> None:
    """However far time moves at once, a polling that begins later is due when the one before would be."""
    balloon = Listening()
    polling = StatsPolling(balloon)
    polling.start(interval, 0)
    asked = now = 0
    for moved in times:
        before, now = now, now + moved
        polling.advance(now)
        asked += now // interval > before // interval
        assert balloon.asked == asked
        later = StatsPolling(balloon)
        later.start(interval, now)
        assert later.next_deadline_ns() == polling.next_deadline_ns() == (now // interval + 1) * interval


def test_polling_ends() -> None:
    """An interval of 0 asks no more and has no deadline."""
    balloon = Listening()
    polling = StatsPolling(balloon)
    polling.start(10, 0)
    polling.start(0, 5)
    polling.advance(1000)
    assert (balloon.asked, polling.next_deadline_ns()) == (0, None)


def test_an_answer_has_its_time() -> None:
    """The time of the last statistics is when they were seen to have come in; at first there is none."""
    balloon = Balloon()
    polling = StatsPolling(balloon)
    polling.look(5)
    assert polling.received_ns is None
    balloon.counters.stats_buffers += 1
    polling.look(7)
    polling.look(9)
    assert polling.received_ns == 7
