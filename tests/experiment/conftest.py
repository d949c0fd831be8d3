"""Where these tests write: each trial waits for the disk, which memory does not."""

import pytest

from tests.experiment.crashes import memory_folder


@pytest.fixture
def tmp_path():
    with memory_folder() as folder:
        yield folder
