"""Cutting a client's bytes into JSON values."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hv.qmp.framing import DEPTH_MAX, MESSAGE_MAX, Framer

scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=4)
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.text(max_size=4), scalars, max_size=2)
requests = st.dictionaries(st.text(max_size=4), values, max_size=3)


@given(st.lists(requests, max_size=4), st.data())
def test_values_are_found_however_they_are_cut(messages: list[object], data: st.DataObject) -> None:
    """Objects with any spacing between them, also none, come out one by one, whatever the packets were."""
    gaps = st.sampled_from(("", " ", "\n", "\r\n\t"))
    stream = "".join(json.dumps(message) + data.draw(gaps) for message in messages).encode()
    framer, found = Framer(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += framer.feed(stream[:size])
        stream = stream[size:]
    assert [json.loads(value) for value in found] == messages


@given(st.lists(st.binary()))
def test_any_bytes_are_bounded(packets: list[bytes]) -> None:
    """Whatever comes, nothing is made up, and nothing but space is lost before the next value."""
    framer = Framer()
    found = [value for packet in packets for value in framer.feed(packet)]
    stream = b"".join(packets)
    for value in found:
        at = stream.index(value)
        assert not stream[:at].strip(b" \t\r\n")
        stream = stream[at + len(value) :]


@pytest.mark.parametrize("piece", [b"{", b"x", b'{"a": "', b'["'], ids=repr)
def test_what_has_no_end_is_given_out_in_pieces(piece: bytes) -> None:
    """A value too deep or too long is cut off, not kept; after a line's end a proper value is found."""
    framer = Framer()
    found = list(framer.feed(piece + b"[" * DEPTH_MAX + b"x" * (3 * MESSAGE_MAX)))
    assert found
    assert all(len(value) <= MESSAGE_MAX for value in found)
    assert list(framer.feed(b'"]}' + b"\n" + b'{"id": 1}'))[-1] == b'{"id": 1}'
