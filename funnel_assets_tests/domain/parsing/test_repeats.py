"""Of several rows of one key one is chosen, by texts and by numbers alike."""

import numpy as np
import pyarrow as pa

from funnel_assets.domain.keys import key_words
from funnel_assets.domain.parsing.base import repeated_words, repeats


def test_repeated_keys_as_numbers_are_chosen_as_texts_are() -> None:
    rng = np.random.default_rng(7)
    for size in (0, 1, 50, 2_000):
        texts = [None if n % 11 == 0 else f"id-{n}" for n in rng.integers(0, max(size // 2, 1) + 5, size)]
        keys = pa.array(texts, pa.large_string())
        ranks = [rng.integers(0, 3, size), np.arange(size)]
        found = repeats(keys, ranks)
        assert (repeated_words(key_words(keys), ranks) == found).all()
        assert size < 50 or (found >= 0).sum() > size // 10
    assert repeated_words(None, ranks).tolist() == [-1] * size


def test_half_a_hash_is_no_key() -> None:
    words = np.array([[5, 1], [5, 2], [5, 1], [0, 0], [0, 0]], np.uint64)
    assert repeated_words(words, [np.arange(5)]).tolist() == [-1, -1, 0, -1, -1]
