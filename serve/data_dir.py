"""The engine's writable place, where serve lays out what the engine finds.

serve may be root, and the engine is other people's code. So the folders are root's with the sticky bit: the
engine writes what it likes into them, but cannot put a link in the place of what serve made and have root
write through it.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from webui_async.contract.errors import EngineBroken
from webui_async.contract.settings import PREFIX, ServeSettings

_PART = ".part"


def engine_uid(settings: ServeSettings) -> int | None:
    """The user to run the engine as; None when it runs as ourselves."""
    return settings.engine_uid if os.geteuid() == 0 and settings.engine_uid else None


class DataDir:
    """Folders, files and links for the engine, named by their place below the root.

    Every method raises OSError when the disk does not let it; see `laying_out`.
    """

    def __init__(self, settings: ServeSettings):
        self.root = Path(settings.data_dir).absolute()
        self.uid = engine_uid(settings)  #: the engine's user; None when it runs as ourselves

    def make_folder(self, name: str = "") -> None:
        """The folder is there and ours, and every one between it and the root."""
        folder = self.root
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._make(folder)
        for part in Path(name).parts:
            folder /= part
            self._make(folder)

    def write(self, name: str, data: bytes, engine_owns: bool = False) -> None:
        """A file of the engine's to read, or to change as well, in place of whatever is there."""
        part = self._free_part(name)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if engine_owns and self.uid is not None:
                os.fchown(descriptor, self.uid, self.uid)
        self._put(part, name)

    def link(self, name: str, target: Path) -> None:
        """A symbolic link in place of whatever is there; one that is right is left alone."""
        path = self.root / name
        if path.is_symlink() and os.readlink(path) == str(target):
            return
        part = self._free_part(name)
        part.symlink_to(target)
        self._put(part, name)

    def entries(self, name: str) -> list[str]:
        """Every file and link below a folder, links to folders too, as `a/b`. Links are not entered."""
        places = ((Path(place), (*folders, *names)) for place, folders, names in os.walk(self.root / name))
        paths = (place / entry for place, entries in places for entry in entries)
        return [str(path.relative_to(self.root)) for path in paths if path.is_symlink() or not path.is_dir()]

    def is_link(self, name: str) -> bool:
        return (self.root / name).is_symlink()

    def remove(self, name: str) -> None:
        """There is nothing of that name any more."""
        path = self.root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    @contextmanager
    def laying_out(self) -> Iterator[None]:
        """What the disk does not let us do in this block is an EngineBroken: no engine starts without it."""
        try:
            yield
        except OSError as error:
            raise EngineBroken(
                f"the engine's folder {self.root} cannot be laid out: {error}; "
                f"make room there, or set {PREFIX}DATA_DIR"
            ) from error

    def _free_part(self, name: str) -> Path:
        """Where the new `name` is made, beside its place. The engine may have put anything there."""
        self.make_folder(str(Path(name).parent))
        self.remove(name + _PART)
        return self.root / (name + _PART)

    def _put(self, part: Path, name: str) -> None:
        """The new one takes its place at once, unless the engine has made a folder there."""
        path = self.root / name
        if path.is_dir() and not path.is_symlink():
            self.remove(name)
        os.replace(part, path)

    def _make(self, folder: Path) -> None:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            folder.unlink()
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.uid is None:
            return
        os.chown(folder, 0, self.uid, follow_symlinks=False)
        found = folder.lstat()  # looked at after it became ours: nobody can exchange it any more
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0:
            raise NotADirectoryError(f"{folder} was exchanged while serve made it")
        folder.chmod(0o1770)
