"""NumPy's files, damaged: one sentence, whatever the parsers under it raise."""

import zipfile

import pytest
from coterie.io import InputError, read_table


def npy(header):
    """A .npy file of this header and a little data."""
    text = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(48)


def header(shape, descr="'<f8'"):
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


@pytest.mark.parametrize("name", ["t.npy", "t.npz"])
@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2",
        "'''",
        "(" * 40,
        "{[]: 1}",
        "",
        header("(True, 2)"),
        header(f"({2**70}, 2)"),
        header(f"({2**62}, 2)"),
        header(f"(0, {2**40})"),
        header("(-3, 2)"),
        header("(3, 2)", "[[]]"),
        header("(3, 2)", "('<f8',)"),
    ],
)
def test_damaged_headers(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(npy(text))
    if name == "t.npz":
        content = path.read_bytes()
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", content)
    with pytest.raises(InputError) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_archives_that_cannot_be_unpacked(tmp_path):
    path = tmp_path / "t.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.npy", npy(header("(3, 2)")) + bytes(range(256)) * 9)
    whole = path.read_bytes()
    start = 30 + len("a.npy") + 9  # behind the entry's header and LZMA's own
    path.write_bytes(whole[:start] + b"\xff" * 40 + whole[start + 40 :])
    with pytest.raises(InputError, match=r"t\.npz: damaged: "):
        read_table(path)
    entry = whole.index(b"PK\x01\x02")  # bit 0 of the flags, in both headers: encrypted
    locked = bytearray(whole)
    locked[6] |= 1
    locked[entry + 8] |= 1
    path.write_bytes(locked)
    with pytest.raises(InputError, match="encrypted"):
        read_table(path)
