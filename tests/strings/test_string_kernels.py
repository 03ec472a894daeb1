"""Strings with NumPy: hashes against published values, tables against dictionaries, tokens against Python's."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest

from kerasflow.strings import tokens
from kerasflow.strings.encode import occurrences
from kerasflow.strings.flat import AT_ONCE, from_bytes, strings
from kerasflow.strings.hashing import decimals, fingerprint64, siphash
from kerasflow.strings.table import Index, Integers, Texts, counted

RNG = np.random.default_rng(0)
ANY = [RNG.bytes(n) for n in RNG.integers(0, 150, 400)] + [b"", b"\0", b"\0\0", b"a", b"a\0"]


def test_fingerprints_are_those_that_bigquery_documents() -> None:
    found = fingerprint64(from_bytes([b"1footrue", b"2applefalse", b"3true"])).view(np.int64)
    assert found.tolist() == [-1541654101129638711, 2794438866806483259, -4880158226897771312]


def test_siphash_is_that_of_its_authors() -> None:
    """The key 00 01 … 0f, and messages 00 01 … of the lengths 0, 1, 8 and 15."""
    key = [int.from_bytes(bytes(range(8)), "little"), int.from_bytes(bytes(range(8, 16)), "little")]
    found = siphash(from_bytes([bytes(range(n)) for n in (0, 1, 8, 15)]), key)
    expected = [0x726FDB47DD0E0E31, 0x74F839C593DC67FD, 0x93F5F5799A932462, 0xA129CA6149BE45E5]
    assert found.tolist() == expected


@pytest.mark.parametrize(
    "x",
    [
        np.array(["", "a", "bcdefghi", "é" * 9]),
        np.array(["", "a", "bcdefghi", "x" * 30]),
        np.array([b"", b"\xff", b"abcdefghijk"]),
        np.array(["a\0b", b"c\0", ""], object),
        np.array(["a\0", "", "\0"], object),
        np.array(["ab", "ß"], np.dtypes.StringDType()),
        np.array([["a", "b"], ["c", "d"]])[:, ::-1],
        ["a", b"b", "\u00e9"],
        [["a"], ["b"]],
        np.array(["a"], ">U3"),
        np.array([], str),
        "text",
        b"\xff",
    ],
)
def test_strings_of_every_kind(x: Any) -> None:
    found, shape = strings(x)
    expected = np.asarray(x, object)
    assert shape == expected.shape
    assert found.tolist() == [s.encode() if isinstance(s, str) else s for s in expected.ravel().tolist()]


def test_what_are_no_strings() -> None:
    for x in (np.array([1, 2]), ["a", None], [["a"], ["b", "c"]]):
        with pytest.raises(TypeError, match="Expected strings"):
            strings(x)
    with pytest.raises(ValueError, match="half of a surrogate pair"):
        strings(["a", "\ud800"])
    for item, words in (
        (None, "fillna"),
        (float("nan"), "fillna"),
        (1, "astype"),
        (["b"], "different lengths"),
    ):
        with pytest.raises(TypeError, match=words):
            strings(["a", item])


@pytest.mark.parametrize("kind", ["strings", "integers"])
def test_an_index_is_a_dictionary(kind: str) -> None:
    if kind == "strings":
        # Some differ from others in one byte, at each place, or in what is behind their ends.
        base = bytes(range(200))
        items = [*dict.fromkeys(ANY), *(base[:i] + b"\xfe" + base[i + 1 :] for i in range(200))]
        asked = [*items[::2], *(item[:-1] for item in items), *(item + b"\0" for item in items)]
        keys, given = Texts(from_bytes(items)), Texts(from_bytes(asked))
    else:
        items = [*range(-50, 3000, 7), -(2**63), 2**63 - 1, *(n << 40 for n in range(1, 2000))]
        asked = [*range(-100, 4000), *(n << 40 for n in range(3000)), -(2**63)]
        keys, given = Integers(np.array(items)), Integers(np.array(asked))
    place = {item: i for i, item in enumerate(items)}
    assert Index(keys).find(given).tolist() == [place.get(item, -1) for item in asked]


def test_many_are_found_part_by_part() -> None:
    numbers = RNG.integers(0, 1000, 100_000)
    words = strings(numbers.astype(str))[0]
    np.testing.assert_array_equal(
        Index(Texts(strings(np.arange(900).astype(str))[0])).find(Texts(words)),
        np.where(numbers < 900, numbers, -1),
    )
    distinct, which, counts = counted(Texts(words))
    assert len(distinct) == 1000 and counts.sum() == len(numbers)
    np.testing.assert_array_equal(numbers[distinct][which], numbers)
    np.testing.assert_array_equal(counts, np.bincount(numbers)[numbers[distinct]])


def test_numbers_as_they_are_written() -> None:
    numbers = np.array([0, -1, 10, 99, -(2**63), 2**63 - 1, 12345678901234567])
    assert decimals(numbers).tolist() == [str(n).encode() for n in numbers.tolist()]
    assert decimals(np.array([2**64 - 1], np.uint64)).tolist() == [b"18446744073709551615"]


def test_tokens_are_those_of_python() -> None:
    texts = [*ANY, b" a\tb\v\fc\r\n", b"\x1c \x85", "é ü,x! Ünt ".encode(), b"\xe2\x82", b"\xac rest"]
    given = from_bytes(texts)
    punctuation = b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
    assert tokens.lower(given).tolist() == [text.lower() for text in texts]
    bare = tokens.without_punctuation(given)
    assert bare.tolist() == [text.translate(None, punctuation) for text in texts]
    for function, expected in (
        (tokens.words, [text.split() for text in texts]),
        (tokens.characters, [[c.encode() for c in text.decode(errors="replace")] for text in texts]),
    ):
        found = function(given)
        assert found.counts.tolist() == list(map(len, expected))
        assert found.strings.tolist() == [token for row in expected for token in row]
        pairs = tokens.ngrams(found, (2, 1))
        rows = [[b" ".join(two) for two in itertools.pairwise(row)] + row for row in expected]
        assert pairs.counts.tolist() == list(map(len, rows))
        assert pairs.strings.tolist() == [token for row in rows for token in row]


def test_rows_and_occurrences() -> None:
    values, counts = np.array([4, 5, 6, 5, 5]), np.array([3, 0, 2])
    assert tokens.padded(values, counts).tolist() == [[4, 5, 6], [0, 0, 0], [5, 5, 0]]
    assert tokens.padded(values, counts, 2).tolist() == [[4, 5], [0, 0], [5, 5]]
    assert tokens.padded(values, counts, 4)[0].tolist() == [4, 5, 6, 0]
    rows = np.array([0, 0, 0, 2, 2])
    assert occurrences(values - 4, rows, (3, 2), False).tolist() == [[1, 1], [0, 0], [0, 2]]
    assert occurrences(values - 5, rows, (3, 2), True).tolist() == [[1, 1], [0, 0], [1, 0]]


def test_short_strings_that_differ_in_zeros_alone() -> None:
    short = [b"", b"\0", b"\0\0", b"a", b"a\0", b"a\0\0\0\0\0\0"]
    assert Index(Texts(from_bytes(short))).first.tolist() == list(range(len(short)))
    assert Index(Texts(from_bytes(short[::2]))).find(Texts(from_bytes(short))).tolist() == [
        0,
        -1,
        1,
        -1,
        2,
        -1,
    ]


@pytest.mark.parametrize("text", [False, True])
def test_more_than_are_taken_at_once(text: bool) -> None:
    """Keys that come again in other parts, and some in one alone."""
    numbers = np.concatenate([RNG.integers(0, 5000, 3 * AT_ONCE), [-1, -2]])
    written = [str(n).encode() * 3 for n in numbers.tolist()]
    keys: Any = Texts(from_bytes(written)) if text else Integers(numbers)
    distinct, which, counts = counted(keys)
    np.testing.assert_array_equal(numbers[distinct][which], numbers)
    assert dict(zip(numbers[distinct].tolist(), counts.tolist(), strict=True)) == Counter(numbers.tolist())
    np.testing.assert_array_equal(numbers[distinct][Index(keys[distinct]).find(keys)], numbers)
