"""A model folder made by somebody who means ill: used by the real loading code, and nothing of it acts."""

import json
import resource
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import save_file

from twinverify.errors import UserError
from twinverify.serving.model import load_model
from twinverify.training.files import read_tensors, write_tensors


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("it went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def change_config(folder: Path, **settings: Any) -> None:
    tree = yaml.safe_load((folder / "config.yaml").read_text())
    tree["model"] |= settings
    (folder / "config.yaml").write_text(yaml.safe_dump(tree))


def change_values(folder: Path, **settings: Any) -> None:
    tensors, values = read_tensors(folder / "model.safetensors")
    identity = values["identity"] | {f"model.{key}": value for key, value in settings.items()}
    write_tensors(folder / "model.safetensors", tensors, values | {"identity": identity})


@pytest.mark.parametrize("change", [change_config, change_values])
@pytest.mark.parametrize("setting", [{"pretrained": True}, {"weights": "/etc/passwd"}, {"weights": "../secret.pth"}])
def test_neither_the_hub_nor_a_file_elsewhere_is_asked(
    model_copy: Path, change: Callable[..., None], setting: dict[str, Any]
) -> None:
    change(model_copy, **setting)
    assert load_model(model_copy).model is not None


@pytest.mark.parametrize("change", [change_config, change_values])
@pytest.mark.parametrize("backbone", ["hf-hub:evil/model", "hf_hub:evil/model", "local-dir:/tmp/evil", "../evil"])
def test_a_backbone_is_none_but_timms_own(model_copy: Path, change: Callable[..., None], backbone: str) -> None:
    change(model_copy, backbone=backbone)
    with pytest.raises(UserError, match="timm has no ViT"):
        load_model(model_copy)


@pytest.mark.parametrize(
    "setting", [{"width": 4096, "heads": 64, "depth": 64, "glca.heads": 64}, {"embedding_width": 4096}]
)
def test_settings_that_would_fill_the_memory_are_told_before_they_do(model_copy: Path, setting: dict[str, Any]) -> None:
    change_values(model_copy, **setting)  # the first says 50 GB
    with pytest.raises(UserError, match="its weights do not fit its configuration"):
        load_model(model_copy)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 8 * 2**20  # KiB


FACTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "deep": lambda _: "[" * 50_000,
    "no number": lambda told: json.dumps(
        told | {"operating_point": told["operating_point"] | {"threshold": float("nan")}}
    ),
    "endless number": lambda told: json.dumps(told).replace('"format": 1', '"format": ' + "9" * 5000),
    "other keys": lambda told: json.dumps(told | {"__class__": "os.system"}),
    "other version": lambda told: json.dumps(told | {"format": "\x1b[2J\n"}),
    "a list": lambda _: "[]",
}


@pytest.mark.parametrize("kind", FACTS)
def test_facts_that_are_none_are_told(model_copy: Path, kind: str) -> None:
    path = model_copy / "model.json"
    path.write_text(FACTS[kind](json.loads(path.read_text())))
    with pytest.raises(UserError, match="model "):
        load_model(model_copy)


@pytest.mark.parametrize("identity", [None, [], "x", {"model.nothing": 1}, {"model.width": [[]]}])
def test_weights_that_do_not_tell_their_settings_are_told(model_copy: Path, identity: Any) -> None:
    tensors, values = read_tensors(model_copy / "model.safetensors")
    write_tensors(model_copy / "model.safetensors", tensors, values | {"identity": identity})
    with pytest.raises(UserError):
        load_model(model_copy)


def test_weights_that_are_not_ours_are_told(model_copy: Path) -> None:
    tensors, _ = read_tensors(model_copy / "model.safetensors")
    save_file(tensors, model_copy / "model.safetensors")
    with pytest.raises(UserError, match="checksum"):
        load_model(model_copy)


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:pathlib.Path.touch [{canary}]", "&a [*a]", "model: &a {glca: *a}"]
)
def test_a_configuration_runs_nothing(model_copy: Path, text: str) -> None:
    canary = model_copy.parent / "ran"
    (model_copy / "config.yaml").write_text(text.format(canary=canary) if "canary" in text else text)
    with pytest.raises(UserError):
        load_model(model_copy)
    assert not canary.exists()
