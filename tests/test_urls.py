"""Which locations are URLs, and what is shown of them."""

from pathlib import Path

import pytest

import persist
from persist.errors import DataSetError, PersistError
from persist.urls import is_url, without_password


@pytest.mark.parametrize(
    ("location", "wanted"),
    [
        ("postgresql+psycopg://lab@db/runs", True),
        ("s3://lab/x", True),
        ("https://lab.org/x", True),
        ("simplecache::https://lab.org/x", True),
        ("workspace", False),
        ("./a:b", False),
        ("C:\\data", False),
        ("C://data", False),
        ("/data/a://b", False),
        (Path("workspace"), False),
    ],
)
def test_urls_are_told_from_paths(location, wanted):
    assert is_url(location) is wanted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://lab:p@ss@db/runs", "postgresql://lab:***@db/runs"),
        ("postgresql://lab@db/runs?sslmode=require", "postgresql://lab@db/runs?sslmode=require"),
        ("postgresql://db/runs?user=a&password=b", "postgresql://db/runs?user=a&password=***"),
        ("https://ada:secret@lab.org/x", "https://***@lab.org/x"),
        ("https://token@lab.org/x", "https://***@lab.org/x"),
        ("https://lab.org/x?sig=a&sv=1", "https://lab.org/x?sig=***&sv=1"),
        ("https://b.s3.com/x?X-Amz-Credential=a", "https://b.s3.com/x?X-Amz-Credential=***"),
        ("filecache::https://a:b@lab.org/x", "filecache::https://***@lab.org/x"),
        ("password=x is no URL", "password=x is no URL"),
        ("s3://lab/signal=3", "s3://lab/signal=3"),
    ],
)
def test_secrets_in_urls_are_not_shown(text, shown):
    assert without_password(text) == shown
    assert without_password(shown) == shown


def test_errors_of_data_sets_at_urls_show_no_secrets():
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    url = "memory://ada:hunter2@lab/x?token=hunter2"
    for options in ({"mode": "w"}, {"chunks": 3}, {}):
        with pytest.raises((DataSetError, PersistError)) as raised:
            persist.open(url, **options)
        assert "hunter2" not in str(raised.value)
