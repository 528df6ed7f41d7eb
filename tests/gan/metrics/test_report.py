import pytest

from gan.metrics.report import in_words


@pytest.mark.parametrize("distance, words", [(2.284, "2.28"), (13.62, "13.6"), (999.4, "999"), (1283.6, "1,284")])
def test_a_distance_reads_as_a_number_of_its_size(distance, words):
    assert in_words(distance) == words
