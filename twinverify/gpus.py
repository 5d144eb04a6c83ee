"""The NVIDIA GPUs of this machine, asked without loading torch, which takes seconds."""

import os


def count_gpus() -> int:
    """Count the GPUs that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1", "NoDevFiles"):
        return 0
    found = len(_names())
    return found if visible is None else min(found, len(visible.split(",")))


def gpu_type() -> str:
    """Give the first GPU's name, or "cpu" where this process may use none."""
    return _names()[0] if count_gpus() else "cpu"


def _names() -> list[str]:
    try:
        import pynvml

        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        names = [str(pynvml.nvmlDeviceGetName(handle)) for handle in handles]
        pynvml.nvmlShutdown()
    except Exception:  # no driver, no library: no GPU
        return []
    return names
