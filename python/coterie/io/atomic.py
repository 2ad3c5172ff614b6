"""Files appear under their names whole, or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from coterie.io.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Outputs", "atomic"]


class Outputs:
    """Files that appear together: all are complete on disk before the first gets its name.

    The bytes go to temporary files in the same folders, which are synchronised when written,
    renamed when the block ends, and removed if anything fails. Links are followed and permissions
    are kept. A device or a pipe, such as /dev/null, is written straight through.

    Examples
    --------
    >>> with Outputs() as outputs:  # doctest: +SKIP
    ...     with outputs.open(Path("a")) as file:
    ...         file.write(b"1")
    ...     with outputs.open(Path("b")) as file:
    ...         file.write(b"2")
    """

    def __init__(self) -> None:
        self._staged: list[tuple[Path, Path, Path]] = []  # as it was named, temporary, final

    def __enter__(self) -> Outputs:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._rename()
        finally:
            for _path, temporary, _final in self._staged:
                with suppress(OSError):
                    temporary.unlink()

    @contextmanager
    def open(self, path: Path, *, text: bool = False) -> Iterator[IO[Any]]:
        """Open `path` for writing, see `atomic`; at the end of the block it is on disk."""
        mode, options = ("w", {"encoding": "utf-8", "newline": ""}) if text else ("wb", {})
        with _blaming(path):
            final = Path(os.path.realpath(path))
            if final.exists() and not final.is_file():
                with open(final, mode, **options) as file:  # type: ignore[call-overload]
                    yield file
                return
            # The name is capped: a long file name plus a suffix must not exceed the folder's limit.
            temporary = final.with_name(f".{final.name[:40]}.{secrets.token_hex(6)}.tmp")
            self._staged.append((path, temporary, final))
            with open(temporary, "x" + mode[1:], **options) as file:  # type: ignore[call-overload]
                yield file
                file.flush()
                os.fsync(file.fileno())

    def _rename(self) -> None:
        for path, temporary, final in self._staged:
            with _blaming(path):
                if final.exists():
                    os.chmod(temporary, final.stat().st_mode & 0o7777)
        folders = {final.parent for _, _, final in self._staged}
        while self._staged:
            path, temporary, final = self._staged[0]
            with _blaming(path):
                os.replace(temporary, final)
            del self._staged[0]
        for folder in folders:
            _sync_folder(folder)


@contextmanager
def atomic(path: Path, *, text: bool = False) -> Iterator[IO[Any]]:
    """Open `path` for writing; what was there stays until the new file is complete on disk.

    Parameters
    ----------
    path : Path
        The file to be.
    text : bool
        Open for UTF-8 text with line ends left alone, instead of for bytes.

    Raises
    ------
    OutputError
        When the file system refuses.
    """
    with Outputs() as outputs, outputs.open(path, text=text) as file:
        yield file


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from None


def _sync_folder(folder: Path) -> None:
    # The rename itself must outlast a power cut; some file systems cannot, and then it is as it is.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
