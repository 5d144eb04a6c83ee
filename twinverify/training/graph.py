"""The graph of a model as TensorBoard shows it: one image's way to its embedding."""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from twinverify.durable import aside, leftovers, remove
from twinverify.model.dcal import Dcal
from twinverify.settings import ModelSettings


class _Embed(nn.Module):
    """The model with what is done in validation as its `forward`."""

    def __init__(self, model: Dcal) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model.embed(images)


def write_graph(path: Path, settings: ModelSettings) -> None:
    """Write the graph of a model, unless it is there; the random state stays as it was.

    Args:
        path: where to.
        settings: the model's; its weights do not matter, so none are loaded.
    """
    if path.exists():
        return
    # Only here: with TensorBoard's extra alone.
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.versions_pb2 import VersionDef
    from torch.utils.tensorboard._pytorch_graph import parse

    with torch.random.fork_rng(), warnings.catch_warnings(), torch.no_grad():
        # That a trace holds for this size only is what is wanted.
        warnings.simplefilter("ignore")
        model = _Embed(Dcal(settings.model_copy(update={"pretrained": False, "weights": None}))).eval()
        size = settings.shape().image_size
        image = torch.rand(1, 3, size, size)
        # As `add_graph` does, but for its check, which runs the model several times more: minutes at 448 px.
        trace = torch.jit.trace(model, (image,), check_trace=False)  # type: ignore[no-untyped-call]
        torch._C._jit_pass_inline(trace.graph)
        nodes = parse(trace.graph, trace, (image,))  # type: ignore[no-untyped-call]
    graph = GraphDef(node=nodes, versions=VersionDef(producer=22))
    for left in leftovers(path.parent, (path.name,)):
        remove(left)
    with aside(path) as temporary:
        temporary.write_bytes(graph.SerializeToString())
