"""A file appears under its name whole, or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from coterie.io.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["atomic"]


@contextmanager
def atomic(path: Path, *, text: bool = False) -> Iterator[IO[Any]]:
    """Open `path` for writing; what was there stays until the new file is complete on disk.

    The bytes go to a temporary file in the same folder, which is synchronised and renamed at the
    end, and removed if anything fails. A link is followed and permissions are kept. A device or a
    pipe, such as /dev/null, is written straight through.

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
    final = Path(os.path.realpath(path))
    mode, options = ("w", {"encoding": "utf-8", "newline": ""}) if text else ("wb", {})
    try:
        if final.exists() and not final.is_file():
            with open(final, mode, **options) as file:  # type: ignore[call-overload]
                yield file
            return
        # The name is capped: a long file name plus a suffix must not exceed the folder's limit.
        temporary = final.with_name(f".{final.name[:40]}.{secrets.token_hex(6)}.tmp")
        try:
            with open(temporary, "x" + mode[1:], **options) as file:  # type: ignore[call-overload]
                yield file
                file.flush()
                os.fsync(file.fileno())
            if final.exists():
                os.chmod(temporary, final.stat().st_mode & 0o7777)
            os.replace(temporary, final)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(final.parent)
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
