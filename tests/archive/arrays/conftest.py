import pytest

pytest.register_assert_rewrite("tests.archive.arrays.cases", "tests.archive.arrays.suite")
