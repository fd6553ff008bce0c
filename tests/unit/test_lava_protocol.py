"""Messages between the main program and Lava's worker."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ff2neuro.hardware.lava_backend.worker.protocol import (
    DTYPES,
    MAX_HEADER,
    PREFIX,
    ProtocolError,
    decode,
    encode,
    parse_prefix,
)

arrays = st.dictionaries(
    st.text(max_size=5),
    st.sampled_from(sorted(DTYPES)).flatmap(lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, min_side=0))),
    max_size=3,
)


def split(frame):
    content = b"".join(frame)
    n_header, n_body = parse_prefix(content[: PREFIX.size])
    assert len(content) == PREFIX.size + n_header + n_body
    return content[PREFIX.size : PREFIX.size + n_header], content[PREFIX.size + n_header :]


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.booleans(), max_size=3), arrays)
def test_messages_come_back_as_they_were(message, sent):
    message = {**message, "op": "anything"}
    message.pop("arrays", None)
    heard, received = decode(*split(encode(message, sent)))
    assert heard == message
    assert list(received) == list(sent)
    for name, array in sent.items():
        assert received[name].dtype == array.dtype
        np.testing.assert_array_equal(received[name], array)


def test_arrays_of_any_layout_arrive_in_order():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4).swapaxes(0, 2)[::2]
    _, received = decode(*split(encode({"op": "feed"}, {"windows": array})))
    np.testing.assert_array_equal(received["windows"], array)


@given(st.binary(min_size=PREFIX.size, max_size=PREFIX.size).filter(lambda prefix: not prefix.startswith(b"FF2L")))
def test_noise_is_no_beginning(prefix):
    with pytest.raises(ProtocolError, match="is not the beginning of a message"):
        parse_prefix(prefix)


def test_length_beyond_any_header_is_refused():
    with pytest.raises(ProtocolError, match="is not the beginning of a message"):
        parse_prefix(PREFIX.pack(b"FF2L", MAX_HEADER + 1, 0))


@given(st.binary(max_size=60), st.binary(max_size=20))
def test_noise_is_refused_and_never_anything_worse(header, body):
    with pytest.raises(ProtocolError):
        decode(header, body)


@pytest.mark.parametrize(
    ("header", "body", "match"),
    [
        (b'{"op": "feed"}', b"", "a header that cannot be read"),
        (b'{"arrays": []}', b"", "a header that cannot be read"),
        (b'{"op": "a", "arrays": [["x", "|u1", [3]]]}', b"ab", r"'x' of shape \(3,\) is longer than its message"),
        (b'{"op": "a", "arrays": [["x", "|u1", [1]]]}', b"ab", "holds 2 bytes of arrays, its header describes 1"),
        (b'{"op": "a", "arrays": [["x", "|O", [1]]]}', b"12345678", r"has type \|O and shape \(1,\), which no message"),
        (b'{"op": "a", "arrays": [["x", "|u1", [-1]]]}', b"", r"shape \(-1,\), which no message carries"),
        (b'{"op": "a", "arrays": [["x", "|u1", [4611686018427387904, 4]]]}', b"", "longer than its message"),
    ],
)
def test_headers_that_do_not_fit_are_refused(header, body, match):
    with pytest.raises(ProtocolError, match=match):
        decode(header, body)
