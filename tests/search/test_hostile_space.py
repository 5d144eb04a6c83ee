"""Space and configuration files made by somebody who means ill, and names that would leave their folder."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from planning import Planned

from twinverify.config import load_config
from twinverify.errors import UserError
from twinverify.search.space import load_space
from twinverify.search.tracked import description
from twinverify.settings import Config


def bomb(levels: int = 12) -> str:
    """Nine to the power of `levels`, in half a kilobyte."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join([*lines, f"include: *a{levels - 1}"])


def merged(name: str, into: str) -> str:
    return f"{into}: &{into} {{!!merge <<: [{', '.join([f'*{name}'] * 9)}]}}"


RUNS = {
    "apply": "!!python/object/apply:pathlib.Path.touch [{canary}]",
    "new": "!!python/object/new:os.system ['touch {canary}']",
    "name": "!!python/name:os.system",
    "module": "!!python/module:antigravity",
    "object": "!!python/object:pathlib.Path {{}}",
}
ENDLESS = {
    "bomb": bomb(),
    "bomb by merging": "a: &a {x: 1}\n"
    + "\n".join(
        f"{c}: &{c} {{!!merge <<: [{', '.join([f'*{p}'] * 9)}]}}" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "in itself": "include: &a [*a]",
    "in itself as a mapping": "model: &a {glca: *a}",
    "deep": "include: " + "[" * 20_000,
}


@pytest.mark.parametrize("read", [lambda path: load_space(path, Config()), load_config], ids=["space", "config"])
@pytest.mark.parametrize("kind", RUNS)
def test_no_tag_of_a_file_runs_or_imports_anything(tmp_path: Path, read, kind: str) -> None:
    canary, path = tmp_path / "ran", tmp_path / "x.yaml"
    path.write_text(f"model.glca.blocks: {RUNS[kind].format(canary=canary)}\n")
    with pytest.raises(UserError, match="not valid YAML"):
        read(path)
    assert not canary.exists()


@pytest.mark.parametrize("read", [lambda path: load_space(path, Config()), load_config], ids=["space", "config"])
@pytest.mark.parametrize("kind", ENDLESS)
def test_a_small_file_that_stands_for_an_endless_one_is_told_soon(tmp_path: Path, read, kind: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(ENDLESS[kind])
    began = time.process_time()
    with pytest.raises(UserError) as refused:
        read(path)
    assert len(str(refused.value)) < 500
    assert time.process_time() - began < 60  # nine to the power of twelve would take days


def test_aliases_of_ordinary_use_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("model.glca.heads: &some {choice: [1, 2, 3]}\nmodel.glca.blocks: *some\n")
    space = load_space(tmp_path / "x.yaml", Config())
    assert space.keys == ("model.glca.heads", "model.glca.blocks")


@pytest.mark.parametrize("name", ["../secret", "/etc/secret", "sub/secret", "..", "secret\0", "./secret"])
def test_a_space_includes_by_name_only(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.yaml").write_text("canary: 1\n")
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "sub" / "secret.yaml").write_text("canary: 1\n")
    space = tmp_path / "in" / "x.yaml"
    space.write_text(f'include: ["{name}"]\n'.replace("\0", "\\0"))
    with pytest.raises(UserError, match="there is no space") as refused:
        load_space(space, Config())
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "name", ["../x", "/tmp/x", ".", "..", ".hidden", "a/b", "a\nb", "a\x1b[2J", "", "x" * 101, "ü"]
)
@pytest.mark.parametrize("key", ["name", "resume"])
def test_no_name_leaves_the_folder_of_the_sweeps(planned: Planned, tmp_path: Path, key: str, name: str) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "sweep.yaml").write_text("canary")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError if key == "name" else UserError):
        planned(space="glca_heads", **{key: name})
    assert sorted(tmp_path.rglob("*")) == before


def test_a_space_whose_file_has_a_hostile_name_makes_no_sweep_of_it(planned: Planned, tmp_path: Path) -> None:
    space = tmp_path / "<img src=x onerror=alert(1)>.yaml"
    space.write_text("model.glca.blocks: {int: [0, 3]}\n")
    with pytest.raises(UserError, match="set name="):
        planned(space=str(space))


def test_in_mlflows_description_names_are_no_markup() -> None:
    row = SimpleNamespace(key="model.weights", values="a|b <script>x</script>", condition="![x](//evil.example)")
    space = SimpleNamespace(name="`<img src=x onerror=alert(1)>`", describe=lambda: [row])
    plan = SimpleNamespace(name="heads", space=space, objective="val/twin_eer")
    told = description(plan)  # type: ignore[arg-type]
    assert told.splitlines() == [
        r"Sweep `heads` of the space \`\<img src=x onerror=alert(1)\>\`, objective `val/twin_eer`.",
        "",
        "| setting | drawn from | where |",
        "|---|---|---|",
        r"| `model.weights` | a\|b \<script\>x\</script\> | !\[x\](//evil.example) |",
    ]
