import h5py
import numpy
import pytest

from persist.archive.arrays import STORES, get_store, loader_source, write_new
from tests.archive.arrays.cases import CASES, assert_same_array, assert_same_content, fields
from tests.archive.arrays.suite import StoreSuite

NATIVE = [
    "range", "boolean", "bytes", "half", "big_endian", "big_endian_number", "complex",
    "big_endian_complex", "long_double", "complex_long_double", "nan_payload", "zero_d",
    "byte_text", "raw", "every_other", "middle", "backwards",
]  # fmt: skip


class TestHdf5(StoreSuite):
    store = STORES["hdf5"]
    libraries = ("numpy", "h5py")

    def read_raw(self, path):
        with h5py.File(path, "r") as file:
            return {name: dataset[...] for name, dataset in file.items()}

    def write_raw(self, path, arrays):
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array

    def dataset(self, tmp_path, case):
        """Return the dataset of a case as it is stored: content and attributes."""
        with h5py.File(self.write(tmp_path, {"x": CASES[case]}), "r") as file:
            return file["x"][...], dict(file["x"].attrs)

    @pytest.mark.parametrize("case", NATIVE)
    def test_what_hdf5_holds_natively_has_no_attributes(self, tmp_path, case):
        found, attributes = self.dataset(tmp_path, case)
        assert attributes == {}
        assert found.dtype == CASES[case].dtype
        assert found.shape == CASES[case].shape
        assert found.tobytes() == CASES[case].tobytes()

    @pytest.mark.parametrize("case", ["structured", "nested", "padded", "zero_d_record"])
    def test_records_are_native_and_their_type_is_told_too(self, tmp_path, case):
        found, attributes = self.dataset(tmp_path, case)
        assert attributes.keys() == {"numpy_dtype"}
        assert found.dtype == CASES[case].dtype
        assert [part.tobytes() for part in fields(found)] == [
            part.tobytes() for part in fields(CASES[case])
        ]

    def test_dates_are_stored_as_integers(self, tmp_path):
        found, attributes = self.dataset(tmp_path, "dates")
        assert attributes == {"numpy_dtype": "'<M8[D]'"}
        assert_same_content(found, CASES["dates"].view("<i8"))

    def test_byte_order_of_times_is_kept_by_the_integers(self, tmp_path):
        found, _ = self.dataset(tmp_path, "big_endian_times")
        assert_same_content(found, numpy.array([1, -5], ">i8"))

    def test_text_is_stored_as_code_points(self, tmp_path):
        found, attributes = self.dataset(tmp_path, "text")
        assert attributes == {"numpy_dtype": "'<U2'"}
        assert found.tolist() == [[[97, 0], [233, 0]], [[0x1F600, 120], [0, 0]]]

    def test_fortran_order_is_stored_with_reversed_axes(self, tmp_path):
        found, attributes = self.dataset(tmp_path, "fortran")
        assert attributes == {"memory_order": "F"}
        assert_same_content(found, CASES["fortran"].T)

    def test_titles_of_fields_are_in_the_attribute(self, tmp_path):
        _, attributes = self.dataset(tmp_path, "titled")
        assert "'titles': ['the title', None]" in attributes["numpy_dtype"]

    @pytest.mark.parametrize(
        ("case", "present", "absent"),
        [
            ("range", ["file[name][...]"], ["ast", "attrs", "def read"]),
            ("fortran", ["memory_order"], ["ast", "numpy_dtype"]),
            ("dates", ["ast", "numpy_dtype"], ["memory_order"]),
            ("empty", ["def read"], ["attrs"]),
        ],
    )
    def test_source_decodes_no_more_than_it_must(self, case, present, absent):
        source = loader_source(self.store, {"x": CASES[case]}, location="x.hd5")
        assert [text for text in present if text not in source] == []
        assert [text for text in absent if text in source] == []

    def test_a_group_is_no_array(self, tmp_path):
        path = self.write(tmp_path, {"x": numpy.arange(3)})
        with h5py.File(path, "a") as file:
            file.create_group("g")
        assert list(self.store.load(path)) == ["x"]

    def test_variable_text_of_other_software_is_loaded(self, tmp_path):
        path = str(tmp_path / "x.h5")
        with h5py.File(path, "w") as file:
            file["x"] = ["a", "bc"]
        assert self.store.load(path)["x"].tolist() == [b"a", b"bc"]

    def write_compressed(self, tmp_path, **attributes):
        path = str(tmp_path / "x.h5")
        with h5py.File(path, "w") as file:
            dataset = file.create_dataset("x", data=numpy.arange(1000), compression="gzip")
            dataset.attrs.update(attributes)
        return path

    def test_a_compressed_dataset_is_read_when_it_is_used(self, tmp_path):
        path = self.write_compressed(tmp_path)
        assert_same_array(self.store.load(path)["x"], numpy.arange(1000))
        (dataset,) = self.store.load(path, mmap_mode="r").values()
        assert isinstance(dataset, h5py.Dataset)
        assert_same_array(dataset[...], numpy.arange(1000))
        assert dataset.file.mode == "r"
        dataset.file.close()

    def test_a_compressed_dataset_is_copied_to_be_changed(self, tmp_path):
        path = self.write_compressed(tmp_path)
        assert_same_array(self.store.load(path, mmap_mode="c")["x"], numpy.arange(1000))
        with pytest.raises(ValueError, match="is not one run of bytes: use mmap_mode='c'"):
            self.store.load(path, mmap_mode="r+")

    def test_a_compressed_dataset_that_is_encoded_is_decoded(self, tmp_path):
        path = self.write_compressed(tmp_path, numpy_dtype="'<M8[s]'")
        assert self.store.load(path, mmap_mode="r")["x"].dtype == "M8[s]"


COMPRESSED = get_store("hdf5", "gzip")


@pytest.mark.parametrize("case", CASES)
def test_a_compressed_array_is_the_same(tmp_path, case):
    path = write_new(COMPRESSED, str(tmp_path), "x", {"x": CASES[case]})
    assert_same_array(COMPRESSED.load(path)["x"], CASES[case])
    source = loader_source(COMPRESSED, {"x": CASES[case]}, location="x.hd5", fallback=tmp_path)
    env = {}
    exec(source, env)
    assert_same_array(env["_arrays"]["x"], CASES[case])


def test_compressed_datasets_are_in_chunks(tmp_path):
    array = numpy.zeros((200, 300))
    arrays = {"x": array, "y": numpy.asfortranarray(array)}
    with h5py.File(write_new(COMPRESSED, str(tmp_path), "x", arrays), "r") as file:
        assert {dataset.compression for dataset in file.values()} == {"gzip"}
        assert all(dataset.chunks < dataset.shape for dataset in file.values())
        assert file["x"].id.get_storage_size() < array.nbytes / 10


def test_a_compressed_array_opens_as_a_dataset_of_which_a_slice_is_read(tmp_path):
    array = numpy.arange(10_000).reshape(100, 100)
    opened = COMPRESSED.load(write_new(COMPRESSED, str(tmp_path), "x", {"x": array}), None, "r")[
        "x"
    ]
    assert isinstance(opened, h5py.Dataset)
    assert opened[3, 5:8].tolist() == [305, 306, 307]
    opened.file.close()


@pytest.mark.parametrize("compression", ["zip", "", 4])
def test_an_unknown_compression_is_refused(compression):
    with pytest.raises(ValueError, match=r"compression must be one of \('gzip', 'lzf'\)"):
        get_store("hdf5", compression)


@pytest.mark.parametrize("data_format", ["npy", "npz"])
def test_compression_is_for_hdf5_only(data_format):
    with pytest.raises(ValueError, match="with data_format='hdf5'"):
        get_store(data_format, "gzip")
