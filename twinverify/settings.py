"""The settings of one training run: one tree of frozen models, ranges on the fields, units in the words.

Every leaf has a dotted key (`model.glca.local_ratio`): the same name on the command line, in presets, in search
spaces and in MLflow.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twinverify.backbones import BackboneShape, backbone_shape


class Settings(BaseModel):
    """A group of settings: immutable, and a key that it does not have is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class GlcaSettings(Settings):
    """Global-local cross-attention: CLS and the top-R patches ask, all tokens answer (DCAL, section 3.2)."""

    blocks: int = Field(1, ge=0, le=3, description="GLCA blocks M after the last SA block; 0 switches GLCA off")
    heads: int = Field(3, ge=1, le=64, description="attention heads of GLCA; must divide the width")
    local_ratio: float = Field(0.15, gt=0, le=1, description="share R of the patches that become local queries")
    selection: Literal["rollout", "last_layer", "random"] = Field("rollout", description="what ranks the patches")
    rollout_residual: float = Field(0.5, ge=0, lt=1, description="weight of the identity in the attention rollout")
    init: Literal["copy", "random"] = Field("copy", description="GLCA starts as a copy of the last SA block, or anew")
    fusion: Literal["concat", "sa", "glca"] = Field("concat", description="which class tokens make the embedding")


class PwcaSettings(Settings):
    """Pair-wise cross-attention, in training only (DCAL, section 3.3)."""

    blocks: int = Field(4, ge=0, description="SA blocks T that also run as PWCA; 0 switches PWCA off")
    placement: Literal["first", "last", "middle", "all"] = Field(
        "last", description="where the T blocks lie; all = spread evenly over the depth"
    )
    distractor: Literal["random", "inter", "twin", "mixture"] = Field(
        "random", description="image 2: any other image, another family's, the co-twin's, or co-twin with twin_share"
    )
    twin_share: float = Field(0.5, ge=0, le=1, description="share of co-twin distractors under distractor=mixture")
    apply_probability: float = Field(1.0, gt=0, le=1, description="share of the steps in which PWCA runs")


class ModelSettings(Settings):
    """The backbone and the two cross-attentions over it."""

    backbone: str = Field("vit_tiny_patch16_224", description="a timm VisionTransformer with a class token")
    pretrained: bool = Field(False, description="fetch timm's weights (the only setting that uses the network)")
    weights: Path | None = Field(None, description="backbone weights from a local .safetensors or .pth file")
    image_size: int | None = Field(None, ge=16, le=1024, description="pixels of a side; null = the backbone's own")
    patch_size: int | None = Field(None, ge=4, le=64, description="pixels of a patch's side; null = the backbone's own")
    width: int | None = Field(None, ge=16, le=4096, description="token width D; null = the backbone's own")
    depth: int | None = Field(None, ge=1, le=64, description="SA blocks L; null = the backbone's own")
    heads: int | None = Field(None, ge=1, le=64, description="heads of the SA blocks; null = the backbone's own")
    embedding_width: int | None = Field(
        None, ge=8, le=4096, description="width E of each branch's embedding; null = the class token itself"
    )
    drop_path: float = Field(0.0, ge=0, le=0.9, description="stochastic depth rate of the last block")
    dropout: float = Field(0.0, ge=0, le=0.9, description="dropout in the projections of attention and MLP")
    frozen_blocks: int = Field(0, ge=0, description="first SA blocks (with the patch embedding) that do not train")
    checkpointing: bool = Field(
        False, description="run each block again in the backward pass: same numbers, far less memory, more time"
    )
    glca: GlcaSettings = GlcaSettings()
    pwca: PwcaSettings = PwcaSettings()

    def shape(self) -> BackboneShape:
        """Give width, depth, heads, patch and image size as they will be built: the backbone's own, or those set."""
        own = backbone_shape(self.backbone)
        return BackboneShape(
            self.width or own.width,
            self.depth or own.depth,
            self.heads or own.heads,
            self.patch_size or own.patch_size,
            self.image_size or own.image_size,
        )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.pretrained and self.weights:
            raise ValueError("model.pretrained and model.weights are both set; choose one")
        shape = self.shape()
        glca_heads = self.glca.heads if self.glca.blocks else 1  # what is off need not fit
        for key, heads in (("model.heads", shape.heads), ("model.glca.heads", glca_heads)):
            if shape.width % heads:
                raise ValueError(f"{key} is {heads}; it must divide the width {shape.width}")
        for key, blocks in (("model.pwca.blocks", self.pwca.blocks), ("model.frozen_blocks", self.frozen_blocks)):
            if blocks > shape.depth:
                raise ValueError(f"{key} is {blocks}; the backbone has {shape.depth} blocks")
        if shape.image_size % shape.patch_size:
            sizes = f"model.image_size is {shape.image_size}; it must be a multiple of the patch, {shape.patch_size}"
            raise ValueError(sizes)
        return self


class IdentityLossSettings(Settings):
    """Classification of the training identities on each branch's embedding."""

    head: Literal["softmax", "arcface", "cosface", "adaface"] = Field("softmax", description="identity head")
    margin: float = Field(0.3, ge=0, le=1, description="margin of the margin heads (ArcFace: radians)")
    scale: float = Field(32.0, gt=0, le=256, description="scale s of the margin heads")
    weight: float = Field(1.0, ge=0, le=10, description="weight of the identity loss")
    label_smoothing: float = Field(0.0, ge=0, le=0.9, description="label smoothing of the identity loss")


class TripletLossSettings(Settings):
    """Triplet loss over identities, hardest positive and negative of the batch (Hermans et al. 2017)."""

    kind: Literal["off", "margin", "soft"] = Field("margin", description="hinge with a margin, softplus, or none")
    margin: float = Field(0.3, gt=0, le=2, description="margin of kind=margin, in units of 1 - cosine")
    weight: float = Field(0.4, gt=0, le=10, description="weight of the triplet loss")


class PairLossSettings(Settings):
    """Same-person verification of all pairs of a batch; the cosine gets a learnt scale and bias."""

    bce_weight: float = Field(0.4, ge=0, le=10, description="weight of the binary cross-entropy; 0 = off")
    focal_weight: float = Field(0.0, ge=0, le=10, description="weight of the focal loss; 0 = off")
    focal_gamma: float = Field(2.0, ge=0, le=5, description="focusing exponent gamma of the focal loss")


class BranchLossSettings(Settings):
    """How the losses of the branches SA, GLCA and PWCA are added up."""

    weighting: Literal["learnt", "fixed"] = Field(
        "learnt", description="e^-w L + w with learnt w as DCAL adds up its branches, or fixed"
    )
    glca: float = Field(1.0, ge=0, le=10, description="fixed weight of the GLCA branch (SA has 1)")
    pwca: float = Field(1.0, ge=0, le=10, description="fixed weight of the PWCA branch (SA has 1)")


class LossSettings(Settings):
    """The training loss."""

    identity: IdentityLossSettings = IdentityLossSettings()
    triplet: TripletLossSettings = TripletLossSettings()
    pair: PairLossSettings = PairLossSettings()
    branches: BranchLossSettings = BranchLossSettings()


class TrainSettings(Settings):
    """Optimisation."""

    epochs: int = Field(10, ge=1, le=10_000, description="epochs of a full run")
    optimizer: Literal["adamw", "adam", "sgd"] = Field("adamw", description="timm's optimizer of that name")
    lr: float = Field(1e-3, gt=0, le=10, description="peak learning rate of the backbone")
    weight_decay: float = Field(0.05, ge=0, le=1, description="weight decay; decoupled under adamw")
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="factor of the learning rate for each block towards the input"
    )
    head_lr_factor: float = Field(
        1.0, gt=0, le=100, description="factor of the learning rate for GLCA, necks and losses"
    )
    schedule: Literal["cosine", "constant"] = Field("cosine", description="course of the learning rate after warm-up")
    warmup: float = Field(0.1, ge=0, le=0.9, description="share of the epochs in linear warm-up")
    clip: float | None = Field(1.0, gt=0, le=1000, description="largest gradient norm; null = no clipping")
    ema: float | None = Field(
        None, gt=0, lt=1, description="decay of the averaged weights used for validation; null = off"
    )
    amp: Literal["auto", "off", "bf16", "fp16"] = Field(
        "auto", description="mixed precision; auto = fp16/bf16 on CUDA, off on a CPU"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="where to train; auto = the GPU where there is one"
    )


class BatchSettings(Settings):
    """People x images sampling."""

    people: int = Field(12, ge=2, le=1024, description="people P a batch")
    images: int = Field(4, ge=2, le=256, description="images K of each person a batch")
    twin_share: float = Field(
        0.5, ge=0, le=1, description="share of a batch's people who come together with their twin"
    )
    accumulation: int = Field(1, ge=1, le=1024, description="batches whose gradients are added before a step")


class AugmentSettings(Settings):
    """Augmentation of the training images, on batches of tensors."""

    rotation: float = Field(5.0, ge=0, le=180, description="largest rotation, degrees")
    jitter: float = Field(0.1, ge=0, le=1, description="strength of the brightness, contrast and saturation jitter")
    erasing: float = Field(0.0, ge=0, le=1, description="probability that a rectangle is erased")
    crop_scale: float = Field(0.9, gt=0, le=1, description="smallest area of the random crop")
    flip: float = Field(0.0, ge=0, le=1, description="probability of a horizontal flip (twins may be mirror images)")


class SplitSettings(Settings):
    """Shares of the families; used where the data set brings no split of its own."""

    validation: float = Field(0.15, gt=0, lt=1, description="share of the families for validation")
    test: float = Field(0.15, gt=0, lt=1, description="share of the families sealed for the final test")
    seed: int = Field(0, ge=0, description="seed of the split; apart from the training seed on purpose")
    reshuffle: int | None = Field(
        None, ge=0, description="seed that deals training and validation families anew; the test side stays as it is"
    )

    @model_validator(mode="after")
    def _leaves_training_families(self) -> Self:
        if self.validation + self.test >= 0.9:
            raise ValueError("split.validation + split.test leaves under a tenth of the families for training")
        return self


class SyntheticSettings(Settings):
    """The built-in synthetic twins."""

    families: int = Field(88, ge=6, le=100_000, description="twin families in all")
    images: int = Field(6, ge=2, le=1000, description="images of each person")
    difference: float = Field(0.5, gt=0, le=1, description="how much twins differ: 1 = clearly, near 0 = not at all")
    seed: int = Field(0, ge=0, description="seed of the faces")


class Config(Settings):
    """Everything that decides one training run."""

    seed: int = Field(0, ge=0, lt=2**32, description="seed of initial weights, batches and augmentation")
    model: ModelSettings = ModelSettings()
    loss: LossSettings = LossSettings()
    train: TrainSettings = TrainSettings()
    batch: BatchSettings = BatchSettings()
    augment: AugmentSettings = AugmentSettings()
    split: SplitSettings = SplitSettings()
    synthetic: SyntheticSettings = SyntheticSettings()

    @model_validator(mode="after")
    def _trains_something(self) -> Self:
        loss = self.loss
        if not (loss.identity.weight or loss.pair.bce_weight or loss.pair.focal_weight or loss.triplet.kind != "off"):
            raise ValueError("loss: every part is off; switch on loss.identity, loss.triplet or loss.pair")
        if loss.branches.weighting == "fixed" and not loss.branches.glca and self.model.glca.blocks:
            raise ValueError("loss.branches.glca is 0, so GLCA would never train; set model.glca.blocks=0 instead")
        return self
