"""Vectors that the server selects as text inside of a record."""

import struct

from sqlalchemy_vecsearch.types.wire import floats_of_result


def test_a_text_as_long_as_a_binary_form_is_read_as_text():
    first_two_characters = int.from_bytes(b"[0")
    length = 2 * first_two_characters + 4
    text = "[0" + ",0.1" * ((length - 4) // 4)
    text += "1" * (length - 1 - len(text)) + "]"
    floats = floats_of_result(struct.pack(">iIi", 1, 25, len(text)) + text.encode())
    assert len(text) == length
    assert len(floats) == text.count(",") + 1
