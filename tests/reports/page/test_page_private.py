"""What a page that gets passed on says of a failure: our own words, and of all others the type alone."""

from pathlib import Path
from typing import cast

import pytest

from twinverify.reports.page.private import public_cause
from twinverify.search.causes import cause_of_death
from twinverify.search.deaths import Deaths
from twinverify.search.state import SweepState

_REST = "the rest stands in error.txt of the trial's folder"


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("FileNotFoundError: /data", f"FileNotFoundError; {_REST}"),
        ("OSError: /home/Alice Smith/faces/90004/x: truncated", f"OSError; {_REST}"),
        ("ValueError: faces/90004", f"ValueError; {_REST}"),
        ("RuntimeError: person 90004 has one image", f"RuntimeError; {_REST}"),
        ("KeyError: '90004d13'", f"KeyError; {_REST}"),
        ("MemoryError", f"MemoryError; {_REST}"),
        ("UserError: data /data/nd_twins: changed", f"UserError; {_REST}"),
        ("90004d13: no such person", f"an error; {_REST}"),
        ("person 90004", f"an error; {_REST}"),
        ("Eva90004: no", f"an error; {_REST}"),
        ("OSError: epoch 3: /data/eva", f"OSError; {_REST}"),
        (
            "its worker died too often; the last time: crashed: cannot open /data/90004.jpg",
            "its worker died too often; the rest stands in journal.jsonl of the sweep's folder",
        ),
    ],
)
def test_nothing_of_what_an_exception_says_is_shown(told: str, shown: str) -> None:
    assert public_cause(told) == shown


@pytest.mark.parametrize(
    "told",
    [
        "",
        "epoch 3: val/twin_eer is not a number",
        "epoch 12: the gradient of backbone.blocks.0.attn.qkv.weight is not finite",
        "out of GPU memory: a larger gpus_per_trial, fewer batch.people, or a smaller model.image_size helps",
        "its worker died too often",
    ],
)
def test_our_own_words_are_shown_as_they_are(told: str) -> None:
    assert public_cause(told) == told


def test_a_killed_worker_is_told_as_the_search_words_it(tmp_path: Path) -> None:
    deaths = Deaths(cast("SweepState", None), lambda *_: None)
    deaths.started()
    deaths.reported()
    deaths.add(1, cause_of_death("The worker process has died", tmp_path))
    told = deaths.verdict(1)
    assert "killed, perhaps for want of memory" in told
    assert public_cause(told) == told
