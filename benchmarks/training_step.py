"""Claim: a training step of DCAL, all three branches, costs about what its FLOPs say beside the bare ViT's, not more.

    python benchmarks/training_step.py size=64 [pairs=7] [save=true]             preset tiny: 4 blocks, width 96
    python benchmarks/training_step.py size=112 batch=32 [pairs=7] [save=true]   vit_tiny_patch16_224
    python benchmarks/training_step.py size=448 batch=4 [pairs=3] [save=true]    vit_tiny_patch16_224
    python benchmarks/training_step.py size=448 model=vit_base_patch16_224 steps=1 pairs=3    the paper's; 25 minutes

Ours is the step of the project's training classes (`Learner`, `gradient_step`): three branches, softmax + triplet +
pair losses, learnt weights, clipping, AdamW. The peer is `timm.create_model` of the same size with as many classes,
cross-entropy and timm's AdamW, and no more. Above preset tiny DCAL has the paper's proportions: one GLCA block, R 0.1,
PWCA in every block (`pwca=N` for fewer). Beside them `by_the_book.py`: the same weights and losses, but explicit
attention maps, the rollout by full products and a PWCA pass of its own; its first loss must agree with ours.

How to read it: seconds a step, median over rounds of `steps` steps that alternate; the ratio to the bare ViT is taken
round by round. FLOPs: forward and backward by torch's counter (matrix products and convolutions). Memory: by how much
a process of their own grows at most while model and optimizer are built and three steps run: on a CPU its resident set
(Linux), on a GPU what torch has allocated.
"""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import psutil
import timm
import torch
from by_the_book import forward as book_forward
from measuring import Spread, alternate, lines_up, machine, publish, ratios
from pydantic import Field
from timm.optim import create_optimizer_v2
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from twinverify.arguments import parse, run
from twinverify.config import load_config, with_values
from twinverify.settings import Config, Settings
from twinverify.training.learner import Learner
from twinverify.training.step import Batch, gradient_step

Step = Callable[[], float]  # makes one step, gives its loss
PEAK_RESET, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
BARE, DCAL, BOOK = "bare timm ViT", "DCAL", "DCAL by the book"


class Options(Settings):
    """What to measure."""

    size: int = Field(64, ge=16, description="pixels of a side; 64 is the preset tiny")
    model: str | None = Field(None, description="timm's name; default: preset tiny at 64 px, else vit_tiny_patch16_224")
    batch: int | None = Field(None, ge=4, description="images a step; default: 48 to 64 px, 32 to 224 px, then 4")
    pwca: int | None = Field(None, ge=0, description="blocks T that run as PWCA; default: all")
    people: int = Field(100, ge=2, description="training identities")
    steps: int | None = Field(
        None, ge=1, description="steps of a measurement; default: 10 to 64 px, 4 to 224 px, then 2"
    )
    pairs: int = Field(7, ge=1, description="rounds, each side once in each")
    threads: int | None = Field(None, ge=1, description="computing threads; default: torch's")
    save: bool = Field(False, description="keep the table in benchmarks/figures/")


def configuration(options: Options) -> Config:
    """Give DCAL's configuration: the preset tiny, or a ViT of timm with the paper's proportions."""
    if options.model is None and options.size == 64:
        config = load_config("tiny")
        return config if options.pwca is None else with_values(config, {"model.pwca.blocks": options.pwca})
    model = options.model or "vit_tiny_patch16_224"
    config = with_values(Config(), {"model.backbone": model, "model.image_size": options.size, "model.pwca.blocks": 0})
    shape = config.model.shape()
    paper = {
        "model.pwca.blocks": shape.depth if options.pwca is None else options.pwca,
        "model.glca.heads": shape.heads,
        "model.glca.local_ratio": 0.1,
    }
    return with_values(config, paper)


def images_a_step(options: Options) -> int:
    return options.batch or (48 if options.size <= 64 else 32 if options.size <= 224 else 4)


def prepare_step(side: str, options: Options) -> Step:
    """Give the step of a side, on images and initial weights that are the same for all."""
    torch.manual_seed(0)
    if options.threads:
        torch.set_num_threads(options.threads)
    config = configuration(options)
    count = images_a_step(options)
    images = torch.rand(count, 3, options.size, options.size)
    identity = torch.arange(count) // config.batch.images % options.people
    distractor = (torch.arange(count) + config.batch.images) % count
    if side == BARE:
        return _bare(config, options, images, identity)
    learner = Learner(config, options.people)
    learner.model.train()
    learner.loss.train()
    if side == BOOK:
        learner.model.forward = partial(book_forward, learner.model)  # type: ignore[method-assign]
    device = learner.hardware.device
    batch = Batch(images.to(device), identity.to(device), distractor.to(device) if learner.model.pairs else None)
    return lambda: float(gradient_step(learner, [batch], 1, epoch=1).total[0])


def _bare(config: Config, options: Options, images: torch.Tensor, identity: torch.Tensor) -> Step:
    shape = config.model.shape()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = timm.create_model(
        config.model.backbone, num_classes=options.people, img_size=shape.image_size, patch_size=shape.patch_size,
        embed_dim=shape.width, depth=shape.depth, num_heads=shape.heads,
    ).to(device).train()  # fmt: skip
    optimizer = create_optimizer_v2(
        model, opt=config.train.optimizer, lr=config.train.lr, weight_decay=config.train.weight_decay
    )
    images, identity = (images.to(device) - 0.5) / 0.5, identity.to(device)
    bf16 = torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        with bf16:
            loss = functional.cross_entropy(model(images), identity)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def seconds_a_step(step: Step, steps: int) -> float:
    started = time.perf_counter()
    for _ in range(steps):
        step()  # its loss is read, so a GPU has finished when the clock is
    return (time.perf_counter() - started) / steps


def gigaflops(step: Step) -> float:
    # Fused attention kernels are counted on some devices only; taken apart they always are.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        step()
    return float(counter.get_total_flops()) / 1e9


def peak_mib(side: str, options: Options) -> float:
    """Give by how many MiB memory grows at most during three steps: activations, gradients, optimizer state."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_peak_here, (side, options))


def _peak_here(side: str, options: Options) -> float:
    # What torch loads at the first step belongs to nobody; that step is small, since freed memory may stay resident.
    prepare_step(BARE, Options(batch=4, people=2, threads=options.threads))()
    before = _resident_peak_reset()
    step = prepare_step(side, options)
    for _ in range(3):
        step()
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    peak = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 2**10 - before


def _resident_peak_reset() -> float:
    """Set the peaks back to what is held now; give the resident set in MiB."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    else:
        PEAK_RESET.write_text("5")
    return float(psutil.Process().memory_info().rss / 2**20)


def main(argv: Sequence[str]) -> int:
    options, _ = parse("training_step", Options, argv, summary=__doc__ or "", examples=["size=112"], configurable=False)
    steps = {side: prepare_step(side, options) for side in (BARE, DCAL, BOOK)}
    _check_equal(steps[DCAL](), steps[BOOK]())
    flops = {side: gigaflops(step) for side, step in steps.items()}
    count = options.steps or (10 if options.size <= 64 else 4 if options.size <= 224 else 2)
    times = alternate({side: partial(seconds_a_step, step, count) for side, step in steps.items()}, options.pairs)
    measurable = torch.cuda.is_available() or PEAK_RESET.exists()
    memory = {side: peak_mib(side, options) for side in steps} if measurable else {}
    rows = [["training step", "s", "to bare", "GFLOP", "to bare", "peak MiB", "to bare"]]
    for side in steps:
        row = [side, Spread.of(times[side]).show(".3f"), ratios(times[side], times[BARE]).show()]
        row += [f"{flops[side]:.1f}", f"{flops[side] / flops[BARE]:.2f}"]
        row += [f"{memory[side]:.0f}", f"{memory[side] / memory[BARE]:.2f}"] if memory else ["-", "-"]
        rows.append(row)
    name = f"training_step_{options.size}" + (f"_{options.model}" if options.model else "")
    publish(name, [*_title(options, count), "", *lines_up(rows)], save=options.save)
    return 0


def _title(options: Options, steps: int) -> list[str]:
    model = configuration(options).model
    shape = model.shape()
    return [
        f"{model.backbone}, {shape.depth} blocks of width {shape.width}, {options.size} px in patches of "
        f"{shape.patch_size}, {images_a_step(options)} images; GLCA {model.glca.blocks} block, "
        f"R {model.glca.local_ratio}, PWCA {model.pwca.blocks} blocks",
        f"{options.pairs} rounds of {steps} steps, {torch.get_num_threads()} threads",
        machine("torch", "timm"),
    ]


def _check_equal(ours: float, book: float) -> None:
    tolerance = 3e-2 if torch.cuda.is_available() else 1e-3  # bf16 on a GPU
    if abs(ours - book) > tolerance * abs(ours):
        raise RuntimeError(f"the losses of the first step differ: {ours:.6f} and, by the book, {book:.6f}")


if __name__ == "__main__":
    run(main)
