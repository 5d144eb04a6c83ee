"""Notes, in every process of a command, which faces are read for good, and which are scored."""

import json
from pathlib import Path
from typing import Any

#: Python imports it at its start, in the command as in Ray's workers.
_SITE = """
import importlib.abc, importlib.machinery, json, os, sys

LOG = {log!r}

def note(kind, what):
    with open(LOG, "a") as file:
        file.write(json.dumps([kind, what, os.getpid()]) + "\\n")

class Loader(importlib.abc.Loader):
    def __init__(self, inner):
        self.inner = inner
    def create_module(self, spec):
        return self.inner.create_module(spec)
    def exec_module(self, module):
        self.inner.exec_module(module)
        if module.__name__ == "twinverify.faces.sealed":
            note("door", "imported")
        if module.__name__ == "twinverify.faces.images":
            read = module.read_square
            def spied(path, size):
                note("read", os.path.basename(os.path.dirname(path)))
                return read(path, size)
            module.read_square = spied
        if module.__name__ == "twinverify.training.evaluate":
            embed = module.embed_faces
            def embedded(model, faces, hardware):
                for person in faces.person_ids:
                    note("scored", person)
                return embed(model, faces, hardware)
            module.embed_faces = embedded

class Finder(importlib.abc.MetaPathFinder):
    NAMES = ("twinverify.faces.sealed", "twinverify.faces.images", "twinverify.training.evaluate")
    def find_spec(self, name, path, target=None):
        if name not in self.NAMES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        spec.loader = Loader(spec.loader)
        return spec

sys.meta_path.insert(0, Finder())
"""


class Spy:
    """What has been noted since it was planted or last cleared."""

    def __init__(self, folder: Path) -> None:
        """Plant it in a folder, which has to be in PYTHONPATH."""
        self._log = folder / "noted.jsonl"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(_SITE.replace("{log!r}", repr(str(self._log))))

    def noted(self, kind: str) -> set[str]:
        """Give the people that were read or scored."""
        return {what for found, what, _ in self._lines() if found == kind}

    def processes(self, kind: str) -> set[int]:
        """Give the processes in which that was."""
        return {process for found, _, process in self._lines() if found == kind}

    def clear(self) -> None:
        """Forget."""
        self._log.unlink(missing_ok=True)

    def _lines(self) -> list[Any]:
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []
