"""TensorBoard's file of one training, made from its reports and its folder: the same again after whatever interruption.

The events are TensorBoard's own, put into one file with a fixed name: its writers would name the file by time, machine
and process, so a training that goes on would have two, with curves that go back.
"""

from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinverify.durable import aside, leftovers, remove
from twinverify.errors import UserError
from twinverify.faces.pictures import epoch_of
from twinverify.tracking.record import Record

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event


def check_tensorboard(wanted: bool) -> None:
    """Refuse `tensorboard=true` where its package is not there.

    Raises:
        UserError: it is not installed.
    """
    if wanted and find_spec("tensorboard") is None:
        raise UserError(
            "tensorboard=true: the package tensorboard is not installed;"
            " pip install -c constraints.txt -e '.[tensorboard]' installs it"
        )


class EventsFile:
    """Keeps the events of one training up to date."""

    def __init__(self, path: Path, graph: Path, picture: Path) -> None:
        """Write nothing yet.

        Args:
            path: the file of events.
            graph: the model's graph, where it has been written.
            picture: what the model of the best epoch looks at; left out where it is of another epoch.
        """
        self._path, self._graph, self._picture = path, graph, picture
        self._written: int | None = None

    def update(self, record: Record, best: int | None) -> None:
        """Write what is new: the whole file at first and when the training has ended, else one line an epoch.

        Args:
            record: what the training has reported.
            best: its best epoch; None where it has none.
        """
        if self._written is None or record.state != "running" or len(record.reports) < self._written:
            for left in leftovers(self._path.parent, (self._path.name,)):
                remove(left)
            with aside(self._path) as temporary:
                self._append(temporary, [_first(record.drawn_at), *self._model(record), *_scalars(record, 0)])
                if record.state != "running":
                    self._append(temporary, self._looks(record, best))
        elif len(record.reports) > self._written:
            self._append(self._path, _scalars(record, self._written))
        self._written = len(record.reports)

    def _append(self, path: Path, events: "list[Event]") -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        with path.open("ab") as file:
            writer = RecordWriter(file)
            for event in events:
                writer.write(event.SerializeToString())

    def _model(self, record: Record) -> "list[Event]":
        with suppress(FileNotFoundError):
            return [_event(record.drawn_at, graph_def=self._graph.read_bytes())]
        return []

    def _looks(self, record: Record, best: int | None) -> "list[Event]":
        from tensorboard.compat.proto.summary_pb2 import Summary

        if best is None or epoch_of(self._picture) != best:
            return []
        from PIL import Image

        with Image.open(self._picture) as picture:
            width, height = picture.size
        image = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=self._picture.read_bytes())
        summary = Summary(value=[Summary.Value(tag="rollout", image=image)])
        return [_event(record.reported_at[best - 1], step=best, summary=summary)]


def _scalars(record: Record, after: int) -> "list[Event]":
    from tensorboard.compat.proto.summary_pb2 import Summary

    pairs = list(zip(record.reports, record.reported_at, strict=True))[after:]
    return [
        _event(
            at,
            step=epoch,
            summary=Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]),
        )
        for epoch, (metrics, at) in enumerate(pairs, after + 1)
    ]


def _first(at: float) -> "Event":
    return _event(at, file_version="brain.Event:2")


def _event(at: float, **content: Any) -> "Event":
    from tensorboard.compat.proto.event_pb2 import Event

    return Event(wall_time=at, **content)
