"""MLflow's page, as it should open for us: in its model-training view, and without a way off this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flask import Flask

#: The page may load from its own server only. MLflow's GenAI pages would fetch a film from mlflow.org. Its charts
#: compile shaders (`unsafe-eval`).
_POLICY: Final = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'"

#: First visit only; what the user chooses later stays. The assistant panel would open by itself and hide the columns.
_FIRST_VISIT: Final = """<script>
for (const [key, value] of [["mlflow.workflowType_v1", '"machine_learning"'],
                            ["mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true"]])
  if (localStorage.getItem(key) === null) localStorage.setItem(key, value);
</script>"""

#: MLflow's assistant hands runs to a language model, and lies over the page's corner: here there is none.
_NO_ASSISTANT: Final = "<style>[data-assistant-ui] { display: none !important }</style>"


def put_own_page(app: "Flask", index: Path) -> None:
    """Have MLflow's application give our page in place of its one HTML page, behind the same checks.

    Args:
        app: MLflow's Flask application.
        index: MLflow's `index.html`.
    """
    html = index.read_text("utf-8").replace("<head>", "<head>" + _FIRST_VISIT + _NO_ASSISTANT, 1)
    headers = {"Content-Security-Policy": _POLICY, "X-Frame-Options": "SAMEORIGIN", "Cache-Control": "no-cache"}
    app.view_functions["serve"] = lambda: (html, headers)
