"""Backbone weights from a local file, into every block, or an error that says which did not fit."""

import pickle
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn
from torch import Tensor

from twinverify.errors import UserError, some

#: Where training scripts put the weights inside their checkpoints, in the order in which they are looked for.
_WRAPPERS = ("teacher", "model", "state_dict", "module")
#: A name that every ViT's weights have, at whatever prefix.
_ANCHOR = "patch_embed.proj.weight"
#: What belongs to the backbone: a file with more of these than the model has is of another model.
_BACKBONE = ("blocks", "patch_embed", "cls_token", "reg_token", "dist_token", "pos_embed", "norm_pre", "norm")


def load_weights(backbone: VisionTransformer, path: Path) -> None:
    """Set every weight of the backbone from a file; position and patch embeddings are resampled to the model's size.

    The weights may lie under `model`, `state_dict` or `teacher`, and behind any prefix (`module.`, `backbone.`);
    classifiers and whatever else is no part of a ViT are left out.

    Args:
        backbone: changed in place.
        path: .safetensors, or .pth / .pt / .bin (read with `weights_only=True`: nothing in it is executed).

    Raises:
        UserError: the file cannot be read, or a weight of the backbone is missing, has another shape, or is left over.
    """
    given = _fitted(_backbone_part(_read(path)), backbone, path)
    wanted = backbone.state_dict()
    missing = [name for name in wanted if name not in given]
    misshaped = [name for name in wanted if name in given and given[name].shape != wanted[name].shape]
    unexpected = [name for name in given if name not in wanted and name.split(".")[0] in _BACKBONE]
    if missing or misshaped or unexpected:
        groups = {"missing": missing, "other shape": misshaped, "unexpected": unexpected}
        found = "; ".join(f"{word}: {_by_block(names)}" for word, names in groups.items() if names)
        raise UserError(
            f"model.weights={path}: {found}. File: {_outline(given)}; model: {_outline(wanted)}. "
            "Choose the model.backbone that the file was made with"
        )
    backbone.load_state_dict({name: given[name] for name in wanted}, strict=True)


def _read(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise UserError(f"model.weights={path}: there is no such file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        # PyTorch's own words tell how to load it all the same.
        raise UserError(
            f"model.weights={path}: cannot be read as weights (it is damaged, or holds more than tensors, which would"
            " be executed); give one with the state dictionary alone, .safetensors best"
        ) from None
    except Exception as error:  # what damaged bytes run into in the readers, they raise
        cause = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"model.weights={path}: cannot be read as weights ({cause})") from None
    if not isinstance(content, Mapping):
        raise UserError(f"model.weights={path}: holds a {type(content).__name__}, not a state dictionary")
    return content


def _backbone_part(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """Unwrap the state dictionary and strip the prefix that its patch embedding stands behind."""
    for wrapper in _WRAPPERS:  # one may stand inside the other, in this order
        content = content[wrapper] if isinstance(content.get(wrapper), Mapping) else content
    state = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    prefixes = [name.removesuffix(_ANCHOR) for name in state if name.endswith(_ANCHOR)]
    prefix = min(prefixes, key=len, default="")
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _fitted(state: dict[str, Tensor], backbone: VisionTransformer, path: Path) -> dict[str, Tensor]:
    """Let timm convert foreign layouts and resample what depends on image and patch size."""
    try:
        fitted = checkpoint_filter_fn(state, backbone, adapt_layer_scale=True)
    except (RuntimeError, KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        cause = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"model.weights={path}: not the weights of a ViT ({cause})") from None
    if "norm.weight" in backbone.state_dict() and "norm.weight" not in fitted:
        # Models pooled by mean keep the final norm behind the pooling.
        fitted = {re.sub(r"^fc_norm\.", "norm.", name): value for name, value in fitted.items()}
    return fitted


def _by_block(names: Iterable[str]) -> str:
    """Give `blocks.3 (12), pos_embed (1)`: which blocks, and how many weights of each."""
    counts = Counter(".".join(name.split(".")[: 2 if name.startswith("blocks.") else 1]) for name in names)
    listed = [f"{block} ({count})" for block, count in counts.items()]
    return some(listed, 6)


def _outline(state: Mapping[str, Tensor]) -> str:
    """Give depth and width of a ViT's weights in words."""
    blocks = {name.split(".")[1] for name in state if name.startswith("blocks.")}
    norms = [value.shape[0] for name, value in state.items() if name.endswith("norm1.weight")]
    return f"{len(blocks)} blocks" + (f" of width {norms[0]}" if norms else "")
