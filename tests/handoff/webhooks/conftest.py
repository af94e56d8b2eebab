from collections.abc import Iterator

import pytest

from tests.website import Website, answer


@pytest.fixture
def site() -> Iterator[Website]:
    """A tool of sales that takes all that is posted to `/`."""
    with Website({"/": answer()}) as website:
        yield website
