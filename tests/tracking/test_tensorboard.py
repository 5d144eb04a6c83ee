"""TensorBoard's file of a training, read back by TensorBoard itself."""

from pathlib import Path
from typing import Any

import pytest
from filled_store import EER, LOSS, trial
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.graph_pb2 import GraphDef

from twinverify.errors import UserError
from twinverify.faces.pictures import save_picture
from twinverify.tracking import tensorboard
from twinverify.tracking.tensorboard import EventsFile, check_tensorboard

FILE = "events.out.tfevents.twinverify"


def events(folder: Path) -> EventsFile:
    return EventsFile(folder / FILE, folder / "graph.pb", folder / "rollout.png")


def read(folder: Path) -> Any:
    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def points(folder: Path, name: str = EER) -> list[tuple[int, float, float]]:
    return [(each.step, each.value, each.wall_time) for each in read(folder).Scalars(name)]


def expected(epochs: int) -> list[tuple[int, float, float]]:
    return [(epoch, pytest.approx(0.5 / epoch), 1000.5 + epoch) for epoch in range(1, epochs + 1)]


def test_each_metric_is_a_curve_with_the_epochs_as_steps(tmp_path: Path) -> None:
    events(tmp_path).update(trial(epochs=3), 3)
    assert sorted(read(tmp_path).Tags()["scalars"]) == sorted([EER, LOSS, "train/lr"])
    assert points(tmp_path) == expected(3)


def test_what_is_reported_later_is_added(tmp_path: Path) -> None:
    file = events(tmp_path)
    for epochs in (0, 1, 2, 2, 4):
        file.update(trial(epochs=epochs), epochs or None)
    assert points(tmp_path) == expected(4)


def test_a_training_that_goes_on_repeats_no_point_and_mends_what_was_cut_off(tmp_path: Path) -> None:
    events(tmp_path).update(trial(epochs=3), 3)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[:-7])
    events(tmp_path).update(trial(epochs=3), 3)
    assert (tmp_path / FILE).read_bytes() == whole
    file = events(tmp_path)
    file.update(trial(epochs=3), 3)
    file.update(trial(epochs=4), 4)
    assert points(tmp_path) == expected(4)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_the_end_adds_the_picture_of_the_best_epoch(tmp_path: Path) -> None:
    save_picture(Image.new("RGB", (12, 8), "red"), tmp_path / "rollout.png", epoch=2)
    events(tmp_path).update(trial(epochs=3, state="completed"), 2)
    (image,) = read(tmp_path).Images("rollout")
    assert (image.step, image.width, image.height) == (2, 12, 8)
    assert image.encoded_image_string == (tmp_path / "rollout.png").read_bytes()


def test_a_picture_of_another_epoch_is_left_out(tmp_path: Path) -> None:
    save_picture(Image.new("RGB", (12, 8)), tmp_path / "rollout.png", epoch=3)
    events(tmp_path).update(trial(epochs=3, state="completed"), 2)
    assert read(tmp_path).Tags()["images"] == []


def test_the_models_graph_is_in_it(tmp_path: Path) -> None:
    graph = GraphDef()
    graph.node.add(name="model/glca", op="prim::Constant")
    (tmp_path / "graph.pb").write_bytes(graph.SerializeToString())
    events(tmp_path).update(trial(epochs=1), 1)
    assert [node.name for node in read(tmp_path).Graph().node] == ["model/glca"]


def test_it_is_refused_in_one_line_where_the_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    check_tensorboard(True)
    monkeypatch.setattr(tensorboard, "find_spec", lambda _: None)
    check_tensorboard(False)
    with pytest.raises(UserError, match=r"^tensorboard=true: .* not installed; pip install .*\[tensorboard\]"):
        check_tensorboard(True)
