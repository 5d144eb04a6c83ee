"""The data of a training as MLflow's `mlflow.data` keeps it: digest and counts; no image, no person, no place."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput


@dataclass(frozen=True)
class SideFacts:
    """One side of a data set.

    Attributes:
        name: the data set's.
        context: what it is used for.
        digest: the same for the same people, images and twins.
        counts: of people, families, images and twin pairs.
    """

    name: str
    context: Literal["training", "validation"]
    digest: str
    counts: Mapping[str, int]


def dataset_inputs(sides: Sequence[SideFacts]) -> "list[DatasetInput]":
    """Give what `MlflowClient.log_inputs` takes; where the faces lie is not told."""
    # MLflow takes seconds to import, and the facts alone need nothing of it.
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

    inputs = []
    for side in sides:
        source = CodeDatasetSource(tags={"twinverify.data": side.name})
        told = MetaDataset(source, name=side.name, digest=side.digest).to_dict()  # type: ignore[abstract]
        dataset: Any = Dataset.from_dictionary(told | {"profile": json.dumps(dict(side.counts))})
        inputs.append(DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, side.context)]))
    return inputs
