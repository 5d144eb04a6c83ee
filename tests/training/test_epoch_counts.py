"""What an epoch costs the disk: which files are put in place, and how many syncs that takes."""

import os
from collections import Counter
from pathlib import Path

from twinverify.training.loop import fit


def test_an_epoch_writes_its_checkpoint_and_each_file_once(small, draw_faces, tmp_path, monkeypatch):
    counts = Counter()
    fsync, replace = os.fsync, Path.replace

    def synced(handle):
        counts["syncs"] += 1
        fsync(handle)

    def replaced(path, target):
        counts[Path(target).name] += 1
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    for report in fit(small({"train.epochs": 4}), draw_faces(), draw_faces(seed=1), folder=tmp_path / "run"):
        written = counts.keys() - {"syncs", "previous.safetensors"}
        wanted = {"last.safetensors", "last.json"}
        if "best.safetensors" in written:
            wanted |= {"best.safetensors", "best.json", "scores.npz", "rollout.png"}
        assert written == wanted, report.epoch
        assert all(counts[name] == 1 for name in written)
        assert counts["previous.safetensors"] == (report.epoch > 1)
        assert counts["syncs"] == 2 * len(written)  # the file and its folder
        counts.clear()
