"""Puts a model folder into MLflow as a model that `mlflow.pyfunc.load_model` serves, at the sweep's own run."""

import hashlib
import tempfile
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import mlflow
import yaml
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.models.model import MLMODEL_FILE_NAME, MODEL_CODE_PATH
from mlflow.pyfunc.model import (
    CONFIG_KEY_ARTIFACT_RELATIVE_PATH,
    CONFIG_KEY_ARTIFACT_URI,
    CONFIG_KEY_ARTIFACTS,
)
from mlflow.types.schema import AnyType, ColSpec, Schema

from twinverify.serving.facts import FACTS_FILE, Facts, read_facts
from twinverify.tracking.attach import at_own_run, patience_for

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What the model is called in MLflow.
NAME: Final = "best"

#: What serving a model imports.
_PACKAGES: Final = (
    "mlflow",
    "filelock",
    "numpy",
    "pandas",
    "pillow",
    "pydantic",
    "pytorch-metric-learning",
    "pyyaml",
    "safetensors",
    "scikit-learn",
    "scipy",
    "timm",
    "torch",
    "torchvision",
)
_PHOTOGRAPH: Final = AnyType()  # type: ignore[no-untyped-call]
_SIGNATURE: Final = ModelSignature(
    inputs=Schema([ColSpec(_PHOTOGRAPH, "first"), ColSpec(_PHOTOGRAPH, "second")]),
    outputs=Schema([ColSpec("double", "score"), ColSpec("string", "decision"), ColSpec("double", "threshold")]),
)


def log_best_model(folder: Path, client: MlflowClient, run_id: str) -> str:
    """Log a model folder at a run, unless the same model is there already.

    What a kill left half logged goes, and so does every other model of this name at the run once the new one is whole:
    `runs:/ID/best` is one model. MLflow keeps deleted models until its `gc`.

    Code and weights go with it, so it is served without this checkout. Nothing is inferred or fetched, and the process
    keeps its own tracking address.

    Args:
        folder: as `write_best_folder` makes it.
        client: of the store.
        run_id: the sweep's own run.

    Returns:
        The model's address in MLflow, `models:/ID`.

    Raises:
        UserError: it is no model folder.
        MlflowException: the store does not take it.
    """
    facts = read_facts(folder)
    experiment = client.get_run(run_id).info.experiment_id
    tags = {
        "sweep": facts.sweep.name,
        "trial": str(facts.sweep.trial),
        "epoch": str(facts.sweep.epoch),
        # The same weights may get another threshold, or another version's form.
        "digest": hashlib.sha256((folder / FACTS_FILE).read_bytes()).hexdigest()[:16],
    }
    there = list(_logged(client, experiment, run_id))
    for half in (known for known in there if known.status != LoggedModelStatus.READY):
        client.delete_logged_model(half.model_id)
    whole = [known for known in there if known.status == LoggedModelStatus.READY]
    same = [known.model_id for known in whole if known.tags.items() >= tags.items()]
    model_id = same[0] if same else _upload(folder, client, run_id, experiment, tags, _params(facts))
    outputs = client.get_run(run_id).outputs
    if model_id not in {each.model_id for each in (outputs.model_outputs if outputs else ())}:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    for other in (known.model_id for known in whole if known.model_id != model_id):
        client.delete_logged_model(other)
    return f"models:/{model_id}"


def _upload(
    folder: Path, client: MlflowClient, run_id: str, experiment: str, tags: dict[str, str], params: dict[str, str]
) -> str:
    """Log a model folder, and give the model's id; until all of it is there the model is not READY."""
    made = client.create_logged_model(experiment, NAME, run_id, tags, params, model_type="pyfunc")
    with tempfile.TemporaryDirectory(prefix="twinverify-") as temporary:
        place = Path(temporary) / "model"
        save_pyfunc(folder, place, Model(run_id=run_id, model_id=made.model_id, artifact_path=NAME))
        client.log_model_artifacts(made.model_id, str(place))
    client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
    return str(made.model_id)


def attach_model(folder: Path, uri: str, experiment: str, sweep_id: str) -> str | None:
    """Log a model folder at the own run of its sweep, as `log_best_model` does; a large one may take longer.

    Args:
        folder: as `write_best_folder` makes it.
        uri: tracking address, as `resolve_tracking` gives it.
        experiment: the experiment's name.
        sweep_id: the tag by which the sweep's runs are found.

    Returns:
        None if it is there, else why not; no outage raises.
    """
    works = [lambda client, run_id: log_best_model(folder, client, run_id)]
    return at_own_run(uri, experiment, sweep_id, works, patience=patience_for(folder))


def save_pyfunc(folder: Path, place: Path, model: Model | None = None) -> None:
    """Write a model folder as an MLflow model, which `mlflow.pyfunc.load_model` takes from there too.

    Args:
        folder: as `write_best_folder` makes it.
        place: the MLflow model's folder, not there yet.
        model: what MLflow is to note of it.
    """
    with warnings.catch_warnings():
        # An example of the input would be photographs of somebody.
        warnings.filterwarnings("ignore", "(?s).*input example was not provided", UserWarning)
        mlflow.pyfunc.save_model(
            path=str(place),
            python_model=str(Path(__file__).with_name("pyfunc.py")),
            artifacts={"model": str(folder)},
            code_paths=[str(Path(__file__).parents[1])],
            pip_requirements=list(_requirements()),
            signature=_SIGNATURE,
            mlflow_model=model,
        )
    _forget_places(place)


def _forget_places(place: Path) -> None:
    """Take out of an MLflow model where on this machine its parts came from, which loading it does not need."""
    path = place / MLMODEL_FILE_NAME
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    flavor = told["flavors"][mlflow.pyfunc.FLAVOR_NAME]
    flavor[MODEL_CODE_PATH] = Path(flavor[MODEL_CODE_PATH]).name
    for artifact in flavor[CONFIG_KEY_ARTIFACTS].values():
        artifact[CONFIG_KEY_ARTIFACT_URI] = artifact[CONFIG_KEY_ARTIFACT_RELATIVE_PATH]
    path.write_text(yaml.safe_dump(told, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _logged(client: MlflowClient, experiment: str, run_id: str) -> "Iterator[LoggedModel]":
    token: str | None = None
    while True:
        page = client.search_logged_models([experiment], f"source_run_id = '{run_id}'", page_token=token)
        yield from (model for model in page if model.name == NAME)
        token = page.token
        if not token:
            return


def _params(facts: Facts) -> dict[str, str]:
    point = facts.operating_point
    return {
        "threshold": repr(point.threshold),
        "threshold_rule": point.rule if point.wanted_fmr is None else f"{point.rule} {point.wanted_fmr:g}",
        "image_size": str(facts.image_size),
        "embedding_width": str(facts.embedding_width),
    }


def _requirements() -> "Iterator[str]":
    for package in _PACKAGES:
        try:
            # A build's own mark (`+cpu`) is not known to the index that others install from.
            yield f"{package}=={version(package).partition('+')[0]}"
        except PackageNotFoundError:
            yield package
