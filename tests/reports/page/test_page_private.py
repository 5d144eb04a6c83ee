"""What is taken out of the words of a failure."""

import pytest

from twinverify.reports.page.private import without_files


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("FileNotFoundError: /data/nd twins", "FileNotFoundError: [file] twins"),
        ("OSError: /data/nd_twins/90004/90004d13.jpg: truncated", "OSError: [file]: truncated"),
        ("cannot read '/home/eva/faces/x.npy'", "cannot read '[file]'"),
        ("90004/90004d13.JPG (truncated), 90005.png", "[file] (truncated), [file]"),
        ("epoch 3: val/twin_eer is not a number", "epoch 3: val/twin_eer is not a number"),
        ("out of GPU memory: fewer batch.people, 1.5 GiB", "out of GPU memory: fewer batch.people, 1.5 GiB"),
        ("<b>bold</b>", "<b>bold</b>"),
    ],
)
def test_paths_and_pictures_are_taken_out_and_nothing_else(told: str, shown: str) -> None:
    assert without_files(told) == shown
