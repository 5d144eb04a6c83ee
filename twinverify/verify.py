"""`python -m twinverify.verify`: do two photographs show one person? Score, decision, and how far to trust it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from twinverify.environment import prepare

prepare()

from pydantic import Field  # noqa: E402

from twinverify.arguments import parse, run  # noqa: E402
from twinverify.errors import UserError, some  # noqa: E402
from twinverify.places import output_folder  # noqa: E402
from twinverify.reports.console import open_console  # noqa: E402
from twinverify.search.stored import sweeps_in  # noqa: E402
from twinverify.serving.facts import read_facts  # noqa: E402
from twinverify.serving.find import find_model  # noqa: E402
from twinverify.serving.told import as_json, as_lines  # noqa: E402
from twinverify.settings import Settings  # noqa: E402

EXAMPLES = (
    "python -m twinverify.verify a.jpg b.jpg model=glca_heads",
    "python -m twinverify.verify a.jpg b.jpg model=tune_runs/glca_heads/best picture=out.png",
    "python -m twinverify.verify a.jpg b.jpg model=glca_heads format=json",
)


class VerifyOptions(Settings):
    """Which photographs, and by which model."""

    images: list[str] = Field([], description="the two photographs: words without a key")
    model: str | None = Field(None, description="model folder (tune_runs/NAME/best), or a sweep's name")
    picture: Path | None = Field(None, description="draw both faces, with what the model looked at, to this file")
    format: Literal["text", "json"] = Field("text", description="for people, or for machines")
    output: Path | None = Field(None, description="folder of the sweeps; default: tune_runs/")


def main(argv: Sequence[str]) -> int:
    """Judge two photographs; the status is 0 whatever the decision, which is printed."""
    options, _ = parse(
        "verify", VerifyOptions, argv, summary=__doc__ or "", examples=EXAMPLES, configurable=False, words="images"
    )
    output = output_folder(options.output)
    if options.model is None:
        known = some(sweeps_in(output), 12) or "none yet"
        raise UserError(f"verify: model= is missing; give a model folder, or a sweep in {output}: {known}")
    first, second = _two(options)
    folder = find_model(options.model, output)
    read_facts(folder)
    # torch takes seconds to import; nothing above needs it.
    from twinverify.serving.model import load_model
    from twinverify.serving.picture import check_picture, write_picture

    if options.picture is not None:
        check_picture(options.picture)
    verifier = load_model(folder)
    verdict = verifier.verify(first, second)
    if options.picture is not None:
        write_picture(options.picture, (verifier.look(first), verifier.look(second)), verdict)
    if options.format == "json":
        print(json.dumps(as_json(verdict, verifier.facts), indent=1))
        return 0
    lines = as_lines(verdict, verifier.facts)
    if options.picture is not None:
        lines.append(f"picture    {options.picture}: {verifier.looked_at}")
    open_console().print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    return 0


def _two(options: VerifyOptions) -> tuple[Path, Path]:
    if len(options.images) != 2:
        given = "none" if not options.images else f"{len(options.images)} ({some(options.images)})"
        raise UserError(f"verify: two images are wanted, {given} given; for example verify a.jpg b.jpg model=NAME")
    first, second = (Path(image).expanduser() for image in options.images)
    for path in (first, second):
        if not path.exists():
            raise UserError(f"{path}: there is no such file")
        if options.picture is not None and options.picture.exists() and path.samefile(options.picture):
            raise UserError(f"picture={options.picture}: is one of the photographs; give another file")
    return first, second


if __name__ == "__main__":
    run(main)
