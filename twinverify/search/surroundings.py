"""What a training ran with: package versions and changed code, written into its folder when it starts.

They are of the process that trains, so they stay true when its run in MLflow is made again years later.
"""

import shutil
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from platform import python_version
from typing import Final

from twinverify.search.run_files import DIFF_FILE, VERSIONS_FILE

#: Of the checkout, what decides how a training runs: no data that somebody keeps beside it.
_CODE: Final = ("twinverify", "search_spaces", "pyproject.toml", "constraints.txt")
#: Bytes of a difference that are kept.
_LONGEST: Final = 256_000


def note_surroundings(folder: Path) -> None:
    """Write `versions.txt` and, where the checkout differs from its commit, `git.diff`."""
    _write(folder / VERSIONS_FILE, versions_text())
    diff = code_diff()
    if diff is None:
        (folder / DIFF_FILE).unlink(missing_ok=True)
    else:
        _write(folder / DIFF_FILE, diff)


@cache
def versions_text() -> str:
    """Give every installed package with its version, as pip reads it."""
    # By the folders' names: reading the metadata of 200 packages takes some 0.3 s of every worker's start.
    infos = [path.stem for entry in reversed(sys.path) for path in Path(entry or ".").glob("*.dist-info")]
    found = dict(name.replace("_", "-").rsplit("-", 1) for name in infos if "-" in name)
    lines = [f"{name}=={version}" for name, version in sorted(found.items(), key=lambda pair: pair[0].lower())]
    return "\n".join([f"# Python {python_version()}", *lines, ""])


@cache
def code_diff(root: Path = Path(__file__).parents[2], longest: int = _LONGEST) -> str | None:
    """Give by what the code of this checkout differs from its commit, as it was when this process first asked.

    New files are named, not shown.

    Args:
        root: the checkout's folder.
        longest: bytes; what is beyond is cut off, and that is said.

    Returns:
        What `git apply` takes; None where nothing differs, and outside a checkout of our own.
    """
    # Installed into the environment of another project, git would tell of that one.
    if _git(root, "ls-files", "--error-unmatch", "--", "twinverify/__init__.py") is None:
        return None
    changes = _git(root, "diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv", "--", *_CODE) or b""
    new = (_git(root, "ls-files", "--others", "--exclude-standard", "--", *_CODE) or b"").decode(errors="replace")
    if not changes and not new:
        return None
    head = "".join(f"# new, not in the commit: {name}\n" for name in new.splitlines())
    text = changes[:longest].decode(errors="replace")
    cut = f"\n# cut off here: {len(changes)} bytes in all\n" if len(changes) > longest else ""
    return head + text + cut


def _git(root: Path, *words: str) -> bytes | None:
    git = shutil.which("git")
    if git is None:
        return None
    with suppress(OSError, subprocess.SubprocessError):
        # Without its locks: several workers ask at once, and the user may be committing.
        ask = [git, "--no-optional-locks", "-C", str(root), *words]
        return subprocess.run(ask, capture_output=True, timeout=10, check=True).stdout
    return None


def _write(path: Path, text: str) -> None:
    with suppress(FileNotFoundError):
        if path.read_bytes() == text.encode():
            return
    # Not to the disk at once: a training does not wait for what a power cut may take.
    path.write_text(text, encoding="utf-8")
