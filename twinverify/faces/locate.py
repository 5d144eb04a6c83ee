"""From a path written on another machine to a file below the data folder, and never to one outside it."""

import os
from pathlib import Path, PurePosixPath
from typing import Final

from twinverify.errors import UserError, counted, some

IMAGE_SUFFIXES: Final = frozenset({".pgm", ".ppm", ".pnm", ".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})


class ImageFinder:
    """Finds image files below one folder; each directory is listed once, whatever the number of images."""

    def __init__(self, folder: Path) -> None:
        """Take the data folder, which exists."""
        self.root = folder.resolve()
        self._given = Path(os.path.abspath(folder))  # noqa: PTH100 (resolve() would follow the link that is meant)
        self._files: dict[Path, dict[str, bool]] = {}

    def people_folders(self) -> list[Path]:
        """Give the folders directly below the data folder, hidden ones left out, sorted by name."""
        with os.scandir(self.root) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith((".", "__")))
        return [self.root / name for name in names]

    def images_in(self, folder: Path) -> list[Path]:
        """Give the image files directly in `folder`, sorted by name; hidden files are left out.

        Raises:
            UserError: the folder, or a file in it, is a link that leaves the data folder.
        """
        names = self._listed(folder)
        paths = [folder / name for name in sorted(names) if self._is_image_name(name)]
        for path in paths:
            self._check_link(path)
        return paths

    def find_all(self, where: Path, texts: list[str]) -> list[Path]:
        """Give the file that each text means.

        Relative paths count from the data folder. An absolute path of another machine, or one that is not there, is
        taken by its last two components.

        Raises:
            UserError: files are missing, or a path leaves the data folder.
        """
        found = [self._find(where, text) for text in texts]
        missing = [text for text, path in zip(texts, found, strict=True) if path is None]
        if missing:
            raise UserError(
                f"{where}: {len(missing)} of {counted(len(texts), 'image')} not found below {self.root}"
                f" (first: {some(missing, 2)}); absolute paths count by their last two components"
            )
        return [path for path in found if path is not None]

    def _find(self, where: Path, text: str) -> Path | None:
        posix = text.replace("\\", "/") if "/" not in text else text
        pure = PurePosixPath(posix)
        if ".." in pure.parts or "\0" in text:
            raise UserError(f"{where}: {text!r} leaves the data folder; paths must lie below {self.root}")
        for parts in self._candidates(pure, is_absolute=pure.is_absolute() or posix[1:2] == ":"):
            path = self.root.joinpath(*parts)
            if parts and path.name in self._listed(path.parent):
                self._check_link(path)
                return path
        return None

    def _candidates(self, pure: PurePosixPath, is_absolute: bool) -> list[tuple[str, ...]]:
        tail = pure.parts[-2:] if len(pure.parts) > 2 or not is_absolute else pure.parts[1:]
        if not is_absolute:
            return [pure.parts, tail]
        inside = [pure.relative_to(base).parts for base in (self.root, self._given) if pure.is_relative_to(base)]
        return [*inside, tail]

    def _listed(self, folder: Path) -> dict[str, bool]:
        """Give file name -> is a link, of one directory; nothing where there is no such directory."""
        if folder not in self._files:
            files: dict[str, bool] = {}
            if _is_folder(folder):
                if not folder.resolve().is_relative_to(self.root):
                    raise UserError(f"data {self.root}: {folder} is a link that leaves the folder")
                with os.scandir(folder) as entries:
                    files = {entry.name: entry.is_symlink() for entry in entries if entry.is_file()}
            self._files[folder] = files
        return self._files[folder]

    def _check_link(self, path: Path) -> None:
        if self._files[path.parent][path.name] and not path.resolve().is_relative_to(self.root):
            raise UserError(f"data {self.root}: {path} is a link that leaves the folder")

    @staticmethod
    def _is_image_name(name: str) -> bool:
        return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 (10x)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name too long, or one that no file system can hold
        return False
