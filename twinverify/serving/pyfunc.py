"""The model as MLflow serves it: two images in, score, decision and threshold out.

MLflow keeps this file as the model's code and runs it when the model is loaded; nothing is pickled. The weights and all
else are the artifact `model`, a model folder.
"""

import base64
import binascii
import os
import sys
from typing import TYPE_CHECKING, Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from twinverify.environment import PATHS
from twinverify.errors import UserError

if TYPE_CHECKING:
    from twinverify.serving.model import Photograph


class TwinVerifierModel(PythonModel):
    """Judges pairs of photographs."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model folder."""
        from twinverify.serving.model import load_model

        self._verifier = load_model(context.artifacts["model"])

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Judge pairs.

        Args:
            context: of MLflow; not needed.
            model_input: a DataFrame with the columns `first` and `second`, a row a pair. A photograph is a file's path,
                the file's content as bytes, or a data address (`data:image/jpeg;base64,…`), as JSON can carry it. A
                server takes no paths.
            params: none are known.

        Returns:
            A DataFrame with the columns `score`, `decision` (`same person` or `different people`) and `threshold`.

        Raises:
            MlflowException: a photograph cannot be read, or is a path at a server, or a column is missing.
        """
        pairs = [(_photograph(a), _photograph(b)) for a, b in zip(*_columns(model_input), strict=True)]
        try:
            verdicts = self._verifier.verify_all(pairs)
        except UserError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        rows = [(verdict.score, verdict.decision, verdict.threshold) for verdict in verdicts]
        return pd.DataFrame(rows, columns=["score", "decision", "threshold"])


def _columns(table: Any) -> tuple[list[Any], list[Any]]:
    try:
        # MLflow makes one row of `{"first": [a, c], "second": [b, d]}`, with lists in its cells.
        whole = pd.DataFrame(table).explode(["first", "second"])
        return list(whole["first"]), list(whole["second"])
    except (KeyError, TypeError, ValueError):
        told = "two columns are wanted: first and second, a photograph each"
        raise MlflowException.invalid_parameter_value(told) from None


def _photograph(value: Any) -> "Photograph":
    if isinstance(value, str) and value.startswith("data:"):
        try:
            return base64.b64decode(value.partition(",")[2], validate=True)
        except binascii.Error as error:
            raise MlflowException.invalid_parameter_value(f"{value[:30]}…: no base64 ({error})") from None
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        if _takes_paths():
            return value
        # The same words whether the file is there or not.
        told = "a server opens no paths: send the photograph's content, data:image/jpeg;base64,…"
        raise MlflowException.invalid_parameter_value(told)
    raise MlflowException.invalid_parameter_value(f"a photograph is a path or bytes, not {type(value).__name__}")


def _takes_paths() -> bool:
    """Tell whether whoever asks may name files of this machine: who loaded the model here may, a server's client not.

    `TWINVERIFY_PATHS` says it for servers that are not known by name; what it says beside `allow` is taken for a no.
    """
    said = os.environ.get(PATHS)
    return said == "allow" if said is not None else not _is_served()


def _is_served() -> bool:
    # MLflow's server sets the variable before it answers anybody, and is this module; the other is MLServer, which
    # `mlflow models serve --enable-mlserver` starts.
    marked = os.environ.get("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "").lower() in ("true", "1")
    return marked or not sys.modules.keys().isdisjoint(("mlflow.pyfunc.scoring_server.app", "mlserver"))


set_model(TwinVerifierModel())
