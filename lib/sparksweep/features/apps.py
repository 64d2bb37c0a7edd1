"""What a device runs: its apps, and the labels, categories and category words of its apps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sparksweep.features.event_sets import EventSets
from sparksweep.features.vocabulary import Vocabulary

__all__ = ["apps"]


def apps(
    vocabulary: Vocabulary,
    device: npt.NDArray[np.int64],
    number: npt.NDArray[np.int64],
    listed: npt.NDArray[np.int64],
    app_ids: npt.NDArray[np.int64],
) -> Iterator[tuple[str, EventSets]]:
    """Yield each family that is on, with the events that list an app, a label, a category or a word.

    Each step starts from the sets of the step before: apps have labels, labels have categories and these
    have words.

    Parameters
    ----------
    vocabulary : Vocabulary
        It must know the apps; others drop out.
    device, number : int64 array
        The device of each event, and the event's place among those of the device.
    listed : int64 array, as long
        How many apps each event lists.
    app_ids : int64 array
        The apps that the first event lists, then those of the second one, and so on.
    """
    # Arrow looks a number up in a hash table, several times as fast as NumPy finds it among sorted ones.
    code = pc.index_in(pa.array(app_ids), pa.array(vocabulary.apps))
    if code.null_count:
        known = code.is_valid().to_numpy(zero_copy_only=False)
        listed = np.add.reduceat(known, np.cumsum(listed) - listed, dtype=np.int64)
        code = code.drop_null()
    codes = code.to_numpy().astype(np.int64)
    sets = EventSets.of(device, number, listed, codes, len(vocabulary.apps))
    if "app" in vocabulary.families:
        yield "app", sets
    if not vocabulary.families.keys() & {"label", "category", "word"}:
        return
    labelled = sets.follow(vocabulary.labels_of_app, len(vocabulary.labels))
    if "label" in vocabulary.families:
        yield "label", labelled
    if "category" in vocabulary.families:
        yield "category", labelled.follow(vocabulary.categories_of_label, len(vocabulary.categories))
    if "word" in vocabulary.families:
        # Whether a device has a word does not depend on which events had it.
        yield "word", labelled.without_events().follow(vocabulary.words_of_label, len(vocabulary.words))
