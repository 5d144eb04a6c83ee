"""The graph of a model, as TensorBoard reads it."""

import pytest
import torch
from tensorboard.compat.proto.graph_pb2 import GraphDef

from twinverify.training.graph import write_graph


@pytest.mark.parametrize(
    "values",
    [
        {"model.glca.selection": "rollout"},
        {"model.glca.selection": "last_layer"},
        {"model.glca.selection": "random"},
        {"model.glca.blocks": 0},
        {"model.glca.fusion": "glca"},
    ],
    ids=lambda values: "-".join(map(str, values.values())),
)
def test_every_kind_of_model_has_one_and_the_random_state_stays(small, tmp_path, values):
    before = torch.random.get_rng_state()
    write_graph(tmp_path / "graph.pb", small(values).model)
    assert torch.equal(torch.random.get_rng_state(), before)
    names = [node.name for node in GraphDef.FromString((tmp_path / "graph.pb").read_bytes()).node]
    assert any("backbone" in name for name in names)
    assert any("Dcal[model]/ModuleList[glca]" in name or "/glca" in name for name in names) == (
        values.get("model.glca.blocks") != 0
    )


def test_one_that_is_there_is_left_as_it_is(small, tmp_path):
    (tmp_path / "graph.pb").write_bytes(b"there")
    write_graph(tmp_path / "graph.pb", small().model)
    assert (tmp_path / "graph.pb").read_bytes() == b"there"
