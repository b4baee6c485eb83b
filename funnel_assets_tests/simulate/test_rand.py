import numpy as np
import pytest

from funnel_assets.simulate.rand import Draws, share


def test_the_stream_is_the_same_everywhere() -> None:
    assert Draws(7, "leads").below(4, 1000).tolist() == [719, 242, 889, 880]
    assert Draws(7, "leads").below(4, 1000).tolist() != Draws(7, "sales").below(4, 1000).tolist()
    assert Draws(7, "leads").below(4, 1000).tolist() != Draws(8, "leads").below(4, 1000).tolist()


@pytest.mark.parametrize(("percent", "low", "high"), [(0, 0, 0), (5, 4_500, 5_500), (100, 100_000, 100_000)])
def test_chance_is_as_often_as_said(percent: float, low: int, high: int) -> None:
    hits = int(Draws(1, "chance").chance(100_000, share(percent)).sum())

    assert low <= hits <= high


def test_bounds_are_kept() -> None:
    draw = Draws(1, "bounds")

    assert set(draw.between(1_000, 3, 5).tolist()) == {3, 4, 5}
    assert set(draw.pick(1_000, [1, 0, 2]).tolist()) == {0, 2}
    assert np.abs(draw.bell(10_000, 100, 10) - 100).max() <= 10
    assert abs(draw.bell(100_000, 14, 2).mean() - 14) < 0.02
    limits = np.array([1, 5, 0, -3, 1000])
    assert ((draw.scaled(limits) < np.maximum(limits, 1)) & (draw.scaled(limits) >= 0)).all()


def test_a_sample_has_no_repeats_and_no_more_than_there_is() -> None:
    assert len(set(Draws(1, "sample").sample(50, 20).tolist())) == 20
    assert Draws(1, "sample").sample(5, 20).tolist() == [0, 1, 2, 3, 4]
    assert Draws(1, "sample").sample(0, 3).tolist() == []
