"""Sets of a device's events as bits, so that a union of events is an OR and a count is a count of bits.

A device's distinct events are numbered 0, 1, 2, ... Event ``n`` is the bit ``n % 64`` of the device's block
``n // 64``. A row says "these events of the device had this code": an app, a label, a category. An event that
is there twice changes nothing, since a set holds it once; and an app that the device opens day after day is
one short row rather than a row an event, which is what makes it cheap to go on from apps to labels and from
labels to categories.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sparksweep.features.relation import Relation

__all__ = ["EventSets"]

_Integers = npt.NDArray[np.int64]

# How many bits of each number of 16 bits are set.
_BITS = np.unpackbits(np.arange(2**16, dtype=np.uint16).view(np.uint8).reshape(-1, 2), axis=1).sum(
    axis=1, dtype=np.uint8
)


@dataclass(frozen=True)
class EventSets:
    """Rows of events, sorted by device, code and block, each of these triples once.

    Attributes
    ----------
    keys : int64 array
        ``(device * codes + code) * blocks + block``, with devices numbered from 0.
    events : uint64 array, as long
        Which 64 events of the block, a bit each.
    codes, blocks : int
        How many codes there are, and how many blocks a device can have.
    """

    keys: _Integers
    events: npt.NDArray[np.uint64]
    codes: int
    blocks: int

    @classmethod
    def of(
        cls, device: _Integers, number: _Integers, listed: _Integers | int, code: _Integers, codes: int
    ) -> EventSets:
        """Return the sets of what events list.

        Parameters
        ----------
        device, number : int64 array
            The device of each event, and the event's place among those of the device.
        listed : int64 array, as long, or 1
            How many codes each event lists.
        code : int64 array
            The codes that the first event lists, then those of the second one, and so on.
        codes : int
            How many codes there are.
        """
        codes = max(codes, 1)  # keys are divided by it, also where there is none
        blocks = int(number.max(initial=0)) // 64 + 1
        # A key of :attr:`keys` and the event's place in the block as one number: to sort such numbers takes a
        # tenth of the time of sorting places by keys.
        span = blocks * 64
        keys = np.repeat(device * (codes * span) + number, listed)
        keys += code * span
        keys.sort()
        bits = np.uint64(1) << (keys & 63).astype(np.uint64)
        keys >>= 6
        return cls._united(keys, bits, codes, blocks)

    @classmethod
    def _united(cls, keys: _Integers, events: npt.NDArray[np.uint64], codes: int, blocks: int) -> EventSets:
        """Unite the events of equal keys, which are sorted."""
        first = _first(keys)
        united = np.bitwise_or.reduceat(events, first) if len(first) else events
        return cls(keys[first], united, codes, blocks)

    def follow(self, relation: Relation, codes: int) -> EventSets:
        """Return the sets of what the codes stand with: an event that had two of them counts once."""
        codes = max(codes, 1)
        pairs, block = np.divmod(self.keys, self.blocks)
        device, code = np.divmod(pairs, self.codes)
        found, places = relation.follow(code)
        keys = (device[places] * codes + found) * self.blocks + block[places]
        order = np.argsort(keys)
        return self._united(keys[order], self.events[places[order]], codes, self.blocks)

    def without_events(self) -> EventSets:
        """Return the devices and codes alone, as if the device had one event with all its codes."""
        pairs = self.keys // self.blocks
        pairs = pairs[_first(pairs)]
        return EventSets(pairs, np.ones(len(pairs), np.uint64), self.codes, 1)

    def count(self) -> tuple[_Integers, _Integers, _Integers]:
        """Return each device and code that stand together, and how many events they have in common."""
        pairs = self.keys // self.blocks
        first = _first(pairs)
        bits = _BITS[self.events.view(np.uint16)].reshape(-1, 4).sum(axis=1, dtype=np.int64)
        counts = np.add.reduceat(bits, first) if len(first) else bits
        device, code = np.divmod(pairs[first], self.codes)
        return device, code, counts


def _first(keys: _Integers) -> _Integers:
    """Return where runs of equal keys begin."""
    changes: npt.NDArray[np.bool_] = np.empty(len(keys), np.bool_)
    changes[:1] = True
    np.not_equal(keys[1:], keys[:-1], out=changes[1:])
    return np.flatnonzero(changes)
