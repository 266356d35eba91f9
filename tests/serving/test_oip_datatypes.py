from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import UsageError
from plimsoll.serving.oip.datatypes import INTEGERS, is_a, pack, unpack

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)


@pytest.mark.parametrize("datatype", INTEGERS)
def test_integers_read_back_as_they_were_packed(datatype: str) -> None:
    """The ends of each range, in little-endian order."""
    low, high = INTEGERS[datatype]
    values = [low, 0, 1, high]
    assert unpack(datatype, pack(datatype, values), 4) == values
    assert all(is_a(datatype, v) for v in values)
    assert not is_a(datatype, high + 1)
    assert not is_a(datatype, low - 1)


@given(st.lists(FINITE, max_size=20))
def test_floats_read_back_as_they_were_packed(values: list[float]) -> None:
    """FP64 to the bit; FP32 and FP16 to the nearest that they can hold."""
    assert unpack("FP64", pack("FP64", values), len(values)) == values
    narrow = [v for v in values if abs(v) < 6e4]
    assert unpack("FP32", pack("FP32", narrow), len(narrow)) == np.array(narrow, np.float32).tolist()
    assert unpack("FP16", pack("FP16", narrow), len(narrow)) == np.array(narrow, np.float16).tolist()


@given(st.lists(FINITE, max_size=20))
def test_bf16_is_the_upper_half_of_a_float32(values: list[float]) -> None:
    """Truncation to BF16 keeps the float32's upper two bytes; reading puts zeros behind them."""
    exact = [v for v in values if abs(v) < 1e38]
    words = np.array(exact, "<f4").view("<u4") >> 16
    found = unpack("BF16", words.astype("<u2").tobytes(), len(exact))
    assert found == (words << 16).astype("<u4").view("<f4").tolist()


@given(st.lists(st.text(), max_size=10))
def test_texts_read_back_as_they_were_packed(values: list[str]) -> None:
    """Each with its length before it, empty ones and any script included."""
    assert unpack("BYTES", pack("BYTES", values), len(values)) == values


def test_bools_are_bytes_of_0_and_1() -> None:
    """And nothing else."""
    assert unpack("BOOL", b"\x00\x01", 2) == [False, True]
    with pytest.raises(UsageError, match="0 or 1, not 2"):
        unpack("BOOL", b"\x02", 1)


def test_nan_is_a_missing_value() -> None:
    """Raw floats have no null; infinity is a mistake."""
    assert unpack("FP32", pack("FP32", [1.0, float("nan")]), 2) == [1.0, None]
    for datatype in ("FP16", "FP32", "FP64"):
        with pytest.raises(UsageError, match="infinite"):
            unpack(datatype, pack(datatype, [float("-inf")]), 1)


WRONG: dict[str, tuple[str, bytes, int, str]] = {
    "too few bytes": ("FP64", b"1234567", 1, "7 bytes of data, and its shape says 1 × 8 = 8"),
    "too many bytes": ("INT8", b"12", 1, "2 bytes of data"),
    "a text cut off": ("BYTES", b"\x05\x00\x00\x00abc", 1, "element 0 is cut off"),
    "a length cut off": ("BYTES", b"\x05\x00", 1, "element 0 is cut off"),
    "a text too many": ("BYTES", pack("BYTES", ["a", "b"]), 1, "1 elements and 5 bytes more"),
    "a text too few": ("BYTES", pack("BYTES", ["a"]), 2, "1 elements and 0 bytes more; its shape says 2"),
    "no text": ("BYTES", b"\x01\x00\x00\x00\xff", 1, "is not UTF-8"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_bytes_say_what_is_wrong(case: str) -> None:
    """Sizes with what was expected."""
    datatype, raw, count, said = WRONG[case]
    with pytest.raises(UsageError, match=said):
        unpack(datatype, raw, count)


@given(st.sampled_from(["BOOL", *INTEGERS, "FP16", "BF16", "FP32", "FP64", "BYTES"]), st.binary(max_size=64))
def test_no_bytes_break_the_reader(datatype: str, raw: bytes) -> None:
    """Whatever is sent is so many elements, or a UsageError."""
    for count in (0, 1, 2, 8):
        try:
            assert len(unpack(datatype, raw, count)) == count
        except UsageError:
            continue


@given(st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=3), st.none()))
def test_no_value_breaks_the_check(value: Any) -> None:
    """An integer beyond every float is no float; it is not an error of ours."""
    assert all(is_a(datatype, value) in (True, False) for datatype in ("BOOL", "INT64", "FP16", "FP64", "BYTES"))
    assert not is_a("FP64", 10**400)
