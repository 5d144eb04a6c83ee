"""The model card: what a model is, what it rests on, how good it is, and what it is not for. Counts, never names."""

import json
from shlex import quote

from twinverify.errors import counted
from twinverify.faces.load import SYNTHETIC
from twinverify.markdown import code, plain
from twinverify.serving.facts import DataFacts, Facts, Rate
from twinverify.serving.pictures import DET_FILE, SCORES_FILE
from twinverify.serving.words import rule, with_interval
from twinverify.settings import Config
from twinverify.streams import visible
from twinverify.verification.by_family import MOST_FAMILIES

_NAMES = {
    "twin_eer": "EER, against the person's own twin",
    "twin_auc": "AUC, against twins",
    "general_eer": "EER, against unrelated people",
    "general_auc": "AUC, against unrelated people",
}


def model_card(facts: Facts, config: Config) -> str:
    """Give the card as Markdown.

    Args:
        facts: of `model.json`.
        config: the whole configuration.
    """
    sections = (
        _head(facts, config),
        _use(facts, config),
        _threshold(facts),
        _metrics(facts),
        _data(facts.data),
        _limits(facts),
        _files(),
    )
    return "\n\n".join(sections) + "\n"


def _head(facts: Facts, config: Config) -> str:
    model, sweep = config.model, facts.sweep
    shape = model.shape()
    glca = counted(model.glca.blocks, "GLCA block") if model.glca.blocks else "no GLCA"
    return (
        f"# Twin verification: sweep {plain(sweep.name)}, trial {sweep.trial}\n\n"
        "Tells whether two photographs of faces show one person, also where the other one may be the twin. DCAL (dual"
        f" cross-attention learning) over `{model.backbone}`: {shape.depth} blocks of width {shape.width}, {glca},"
        f" {facts.image_size} pixels a side, embeddings of {facts.embedding_width} numbers, the score their cosine. The"
        f" weights are those of epoch {sweep.epoch} of {config.train.epochs}, the best by {code(sweep.objective)} in"
        f" the sweep over the space {code(sweep.space)}. Made by twinverify {facts.versions.get('twinverify', '')}."
    )


def _use(facts: Facts, config: Config) -> str:
    name = visible(facts.sweep.name, keep="").replace("```", "")
    text = f"""## How to use it

```sh
python -m twinverify.verify a.jpg b.jpg model={quote(name)}
```

```python
from twinverify.serving.model import load_model

verdict = load_model({json.dumps(f"tune_runs/{name}/best", ensure_ascii=False)}).verify("a.jpg", "b.jpg")
print(verdict.score, verdict.decision, verdict.threshold)
```

"""
    weights = config.model.weights
    began = (
        f" It began with the weights {code(weights.name)}: give `model.weights=` with their place." if weights else ""
    )
    return (
        f"{text}The faces should be cropped as those it was trained on. `python -m twinverify.train config=config.yaml`"
        f" trains it again; for the same last digits, with the same data, packages and number of threads.{began}\n\n"
        "Loaded from MLflow (`mlflow.pyfunc.load_model`) it takes paths, bytes and data addresses. A server"
        " (`mlflow models serve`) takes no paths, since its clients could make it open, and try for, any file of its"
        " machine: they send `data:image/jpeg;base64,…`. `TWINVERIFY_PATHS` (`allow` or `refuse`) in the environment"
        " decides otherwise, and for a server of one's own."
    )


def _threshold(facts: Facts) -> str:
    point = facts.operating_point
    return f"""## The threshold

{point.threshold:.6f}, {rule(point)}. Scores that reach it are taken for one person.

On the validation families, with 95 % intervals by family bootstrap, the threshold as it is:

| at the threshold | |
|---|---|
| false match rate of unrelated people | {with_interval(point.unrelated_fmr)} |
| false match rate of twins | {with_interval(point.twin_fmr)} |
| false non-match rate: same person, told apart | {with_interval(point.fnmr)} |

`model.json` has the shares of the unrelated, the twin and the same-person pairs that reach any other score."""


def _metrics(facts: Facts) -> str:
    rows = [f"| {_NAMES.get(name, _tar(name))} | {_value(rate)} |" for name, rate in facts.metrics.items()]
    return (
        "## How good it is\n\nOn the validation families, which no training saw, but by which this epoch of this trial"
        " was chosen: expect somewhat worse on new people.\n\n| metric | value, 95 % interval |\n|---|---|\n"
        + "\n".join(rows)
        + f"\n\n![DET]({DET_FILE}) ![Scores]({SCORES_FILE})"
    )


def _tar(name: str) -> str:
    kind, _, far = name.partition("_tar_at_far_")
    return f"TAR at FAR {far}, against {'twins' if kind == 'twin' else 'unrelated people'}"


def _value(rate: Rate) -> str:
    ends = "no interval" if rate.low is None or rate.high is None else f"{rate.low:.4f} to {rate.high:.4f}"
    return f"{rate.value:.4f}, {ends}"


def _data(data: DataFacts) -> str:
    whole = ""
    if data.people is not None:
        whole = f" has {data.people} people, {data.images} images and {data.twin_pairs} twin pairs in all;"
    families = f"{data.families} families"
    if data.families >= MOST_FAMILIES:
        families = f"{data.families} families, or groups of families where there were more"
    return (
        f"## What it rests on\n\nThe data set {code(data.name)}{whole} it was split by family into training, validation"
        f" and sealed test. Threshold and figures come from {families} of the validation: {data.same_scores}"
        f" same-person, {data.twin_scores} twin and {data.unrelated_scores} unrelated pairs of images. Nothing in this"
        " folder shows or names any of these people."
    )


def _limits(facts: Facts) -> str:
    twin = facts.operating_point.twin_fmr
    told = f" Of the twin pairs here it took {with_interval(twin)} for one person." if twin else ""
    drawn = " Drawn faces are no people: on photographs it is of no use." if facts.data.name == SYNTHETIC else ""
    lines = (
        "No decision about a person may rest on it alone: not on access, identity, payment, guilt or kinship.",
        f"A threshold that is right for unrelated people is not right for twins.{told}",
        "Its rates hold for people, cameras and crops like those of the data set; for other ages, origins and light"
        f" they are unknown.{drawn}",
        "It does not find faces in a picture, and does not tell a face from a photograph of one.",
        "Faces are biometric data: process them only with a right to.",
    )
    return "## What it is not for\n\n" + "\n".join(f"- {line}" for line in lines)


def _files() -> str:
    return """## The files

| file | |
|---|---|
| `model.safetensors` | the weights, with a checksum; no pickle |
| `config.yaml` | the whole configuration |
| `model.json` | threshold, calibration, metrics with intervals, counts, package versions |
| `det.png`, `scores.png` | figures of the validation |"""
