import hashlib
import threading

import pytest

from persist.files.digest import digest_beside, digest_file, digest_pieces


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 3_000_000])
def test_a_file_has_the_record_of_its_bytes(tmp_path, size):
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    (tmp_path / "x").write_bytes(content)
    wanted = (size, hashlib.sha256(content).hexdigest())
    assert digest_file(tmp_path / "x") == wanted
    assert digest_pieces([content[:7], memoryview(content[7:])]) == wanted


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        digest_file(tmp_path / "x")


@pytest.mark.parametrize("size", [1, 1 << 30], ids=["small", "large"])
def test_work_and_digest_are_both_done(size):
    done = []
    record = digest_beside(lambda: done.append(1), lambda: digest_pieces([b"x"]), size)
    assert done == [1]
    assert record == digest_pieces([b"x"])


def test_a_large_digest_is_taken_while_the_work_is_done():
    barrier = threading.Barrier(2, timeout=60)

    def digest():
        barrier.wait()
        return digest_pieces([])

    assert digest_beside(barrier.wait, digest, 1 << 30).size == 0


@pytest.mark.parametrize("size", [1, 1 << 30], ids=["small", "large"])
@pytest.mark.parametrize("part", ["work", "digest"])
def test_an_error_of_either_is_raised(size, part):
    def fail():
        raise OSError("the disk is full")

    parts = {"work": lambda: None, "digest": lambda: digest_pieces([]), part: fail}
    with pytest.raises(OSError, match="the disk is full"):
        digest_beside(parts["work"], parts["digest"], size)
