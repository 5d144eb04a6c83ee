"""Bad input: one clear line, exit status 2, within 5 s, nothing written."""

import json
from pathlib import Path

import pytest
from command_line import call
from PIL import Image


def people(folder: Path, **images: int) -> None:
    """Make a data set of one folder a person."""
    for number, (person, count) in enumerate(images.items()):
        (folder / person).mkdir(parents=True)
        for image in range(count):
            Image.new("L", (8, 8), number * 10 + image).save(folder / person / f"{image}.png")


def twelve(folder: Path) -> None:
    people(folder, **{f"p{number}": 2 for number in range(12)})


def with_pairs(folder: Path, pairs: object) -> None:
    twelve(folder)
    (folder / "pairs.json").write_text(json.dumps(pairs))


def lonely(folder: Path) -> None:
    people(folder, **{f"p{number}": 2 for number in range(12)}, solo=1)


def broken_image(folder: Path) -> None:
    twelve(folder)
    (folder / "p3" / "0.png").write_bytes(b"not an image")


BAD = {
    "unknown key": ("tune", ["space=glca_heads", "modle.width=3"], None, "modle.width"),
    "unknown option": ("tune", ["space=glca_heads", "trails=3"], None, "did you mean trials?"),
    "wrong type": ("tune", ["space=glca_heads", "trials=many"], None, "trials"),
    "out of range": ("tune", ["space=glca_heads", "model.glca.local_ratio=3"], None, "above 0 to 1"),
    "does not divide": ("tune", ["space=optim", "model.glca.heads=5"], None, "must divide the width 96"),
    "no space": ("tune", [], None, "space=NAME is missing"),
    "missing space": ("tune", ["space=glca_head"], None, "did you mean glca_heads?"),
    "missing data": ("tune", ["space=glca_heads", "data=nowhere"], None, "nowhere"),
    "empty folder": ("tune", ["space=glca_heads", "data=faces"], lambda f: f.mkdir(), "faces"),
    "person with one image": ("tune", ["space=glca_heads", "data=faces"], lonely, "solo"),
    "unknown people in pairs": (
        "tune",
        ["space=glca_heads", "data=faces"],
        lambda f: with_pairs(f, [["p0", "p99"]]),
        "p99",
    ),
    "broken image": ("tune", ["space=glca_heads", "data=faces"], broken_image, "p3/0.png"),
    "unknown sweep": ("tune", ["resume=nothing"], None, "resume=nothing"),
    "share without a GPU": ("tune", ["space=glca_heads", "gpus_per_trial=0.5"], None, "no GPU"),
    "too many at once": ("tune", ["space=glca_heads", "cpus=2", "concurrency=9"], None, "allowed: 1 to 2"),
    "bad objective": ("tune", ["space=glca_heads", "objective=val/twin_err"], None, "did you mean val/twin_eer?"),
    "bad budget": ("tune", ["space=glca_heads", "budget=soon"], None, "48h"),
    "bad tracking": ("tune", ["space=glca_heads", "tracking=ftp://x"], None, "ftp://x"),
    "dead server": ("tune", ["space=glca_heads", "tracking=http://127.0.0.1:9"], None, "127.0.0.1:9"),
    "odd experiment": ("tune", ["space=glca_heads", "experiment=it's"], None, "no quotes or backslashes"),
    "missing preset": ("train", ["config=tinny"], None, "did you mean tiny?"),
    "train unknown key": ("train", ["train.learning=1"], None, "train.learning"),
    "train missing data": ("train", ["data=nowhere"], None, "nowhere"),
    "missing weights": ("tune", ["space=glca_heads", "model.weights=nope.pth"], None, "model.weights=nope.pth"),
    "no CUDA": ("tune", ["space=glca_heads", "train.device=cuda"], None, "train.device"),
    "not estimable": (
        "tune",
        ["space=glca_heads", "synthetic.images=2", "objective=val/twin_tar_at_far_0.01"],
        None,
        "1000 impostor pairs are needed",
    ),
    "both given": ("train", ["epochs=3", "train.epochs=4"], None, "epochs and train.epochs are both given"),
    "tiny share": ("tune", ["space=glca_heads", "cpus_per_trial=0.0000001"], None, "0.1 or more"),
    "output is a file": ("tune", ["space=glca_heads", "output=faces/p0/0.png"], twelve, "faces/p0/0.png"),
    "train output is a file": ("train", ["output=faces/p0/0.png"], twelve, "faces/p0/0.png"),
    "header without pairs": (
        "tune",
        ["space=glca_heads", "data=faces"],
        lambda f: (twelve(f), (f / "pairs.csv").write_text("id1,id2\n")),
        "a header, but no pairs",
    ),
    "no equals sign": ("train", ["tiny"], None, "key=value"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_2(case: str, tmp_path: Path) -> None:
    command, words, make, told = BAD[case]
    if make is not None:
        make(tmp_path / "faces")
    before = sorted(tmp_path.rglob("*"))
    output = ["output=runs"] if command == "tune" else ["cache=runs/.cache"]
    output = [] if any(word.startswith("output=") for word in words) else output
    done = call(command, *words, *output, cwd=tmp_path, timeout=60)
    assert done.status == 2, (done.out, done.err)
    assert done.err.count("\n") == 1, done.err
    assert done.err.startswith("twinverify: ")
    assert told in done.err
    assert "Traceback" not in done.err + done.out
    assert sorted(tmp_path.rglob("*")) == before
    assert done.cpu_seconds < 5
