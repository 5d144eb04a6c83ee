"""The log of a training, in its folder."""

import logging
import re
import warnings
from pathlib import Path

from twinverify.training.log import logged

_log = logging.getLogger("twinverify.training.something")


def test_what_is_logged_and_warned_of_is_in_it_with_the_time(tmp_path: Path, recwarn) -> None:
    with logged(tmp_path):
        _log.info("epoch 1 of 2")
        _log.warning("last.safetensors is damaged")
        warnings.warn("lr_scheduler before optimizer\nmore words", UserWarning, stacklevel=1)
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING) ", line) for line in lines)
    assert [line.split(" ", 3)[3] for line in lines] == [
        "epoch 1 of 2",
        "last.safetensors is damaged",
        "UserWarning: lr_scheduler before optimizer",
    ]
    assert len(recwarn) == 1  # and it is still shown


def test_a_training_that_goes_on_appends(tmp_path: Path) -> None:
    for number in (1, 2):
        with logged(tmp_path):
            _log.info("epoch %d", number)
        _log.info("of nobody's training")
    assert [line[-7:] for line in (tmp_path / "log.txt").read_text().splitlines()] == ["epoch 1", "epoch 2"]


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path, capsys) -> None:
    with logged(tmp_path / "not there"):
        _log.info("epoch 1")
    assert capsys.readouterr().err == ""


def test_without_a_word_there_is_no_file(tmp_path: Path) -> None:
    with logged(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
