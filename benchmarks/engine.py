"""diffusers_webui on this machine's CPU: its share of a drawing, its start, its switches, its size."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Figure, percentile
from benchmarks.webui import Webui, started

ROUNDS = 5
STEPS = 20
PICTURE = {"width": 512, "height": 512, "steps": STEPS, "cfg_scale": 7, "sampler_name": "Euler"}


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        yield from start_to_ready(Path(folder) / "start")
        with started(Path(folder) / "data") as webui:
            yield from overhead(webui)
            yield from progress(webui)
        with started(Path(folder) / "small") as webui:
            yield from growth(webui)
        yield from switch(Path(folder))


def start_to_ready(data_dir: Path) -> Iterator[Figure]:
    """From the start of the process to reload-checkpoint's 200, the hash known after the first."""
    seconds = []
    for _ in range(3):
        with started(data_dir) as webui:
            seconds.append(webui.ready_s)
    yield Figure("engine.start_to_ready", statistics.median(seconds), "s", 8.0)


def overhead(webui: Webui) -> Iterator[Figure]:
    """POST txt2img against the networks alone, turn by turn, each drawing with a prompt of its own."""
    with bare_loop() as bare:
        draw_s(webui, 0), bare_s(bare)
        rows = [(draw_s(webui, number), bare_s(bare)) for number in range(1, ROUNDS + 1)]
    drawn, alone = (statistics.median(column) for column in zip(*rows, strict=True))
    yield Figure("engine.txt2img_512px_20_steps", drawn, "s")
    yield Figure("engine.networks_alone_512px_20_steps", alone, "s")
    yield Figure("engine.overhead", drawn / alone, "ratio", 1.15)


def draw_s(webui: Webui, number: int) -> float:
    began = time.perf_counter()
    webui.post("txt2img", prompt=f"a red star, number {number}", seed=number, **PICTURE)
    return time.perf_counter() - began


@contextmanager
def bare_loop() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.bare_loop"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def bare_s(process: subprocess.Popen[str]) -> float:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{STEPS}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def progress(webui: Webui) -> Iterator[Figure]:
    """How long /progress takes while a picture is drawn, the preview not asked for, and asked for."""
    for what, query in (("progress_p99", "?skip_current_image=true"), ("progress_with_picture_p99", "")):
        drawing = threading.Thread(target=draw_s, args=(webui, 1))
        drawing.start()
        seconds = []
        while drawing.is_alive():
            began = time.perf_counter()
            webui.client.get(f"/sdapi/v1/progress{query}").raise_for_status()
            seconds.append(time.perf_counter() - began)
            time.sleep(0.02)
        goal = 20.0 if query else None
        yield Figure(f"engine.{what}", percentile(seconds, 99) * 1000, "ms", goal)


def growth(webui: Webui) -> Iterator[Figure]:
    """Memory of the process after 200 small drawings against after 20, no two alike."""
    sizes = {}
    for number in range(1, 201):
        webui.post("txt2img", prompt=f"a star, number {number}", seed=number, steps=2, width=64, height=64)
        if number in (20, 200):
            sizes[number] = webui.process.memory_info().rss
    yield Figure("engine.rss_after_200_drawings", sizes[200] / 2**20, "MiB")
    yield Figure("engine.rss_after_200_over_20", sizes[200] / sizes[20], "ratio", 1.05)


def switch(folder: Path) -> Iterator[Figure]:
    """Changing between two checkpoints whose hashes are known, against reading one file from the page cache.

    A file of float32 is what a CPU draws with; one of float16 becomes twice its bytes.
    """
    yield Figure("engine.float32_switch_over_reading", switch_ratio(folder / "float32"), "ratio", 1.3)
    yield Figure("engine.float16_switch_over_reading", switch_ratio(folder / "float16"), "ratio", 1.3)


def switch_ratio(folder: Path) -> float:
    """Medians of six switches and six readings, turn by turn. The folder's name is the files' precision."""
    checkpoints = folder / "ckpt"
    checkpoints.mkdir(parents=True)
    make = [sys.executable, "-m", "benchmarks.large_checkpoint", str(checkpoints), folder.name, "one", "two"]
    subprocess.run(make, check=True)
    with started(folder, checkpoints) as webui:
        for name in ("two", "one"):
            webui.post("options", sd_model_checkpoint=name)  # hashes both
        rows = [
            (switch_s(webui, name), read_s(checkpoints / f"{name}.safetensors"))
            for name in ["two", "one"] * 3
        ]
    switching, reading = (statistics.median(column) for column in zip(*rows, strict=True))
    return switching / reading


def switch_s(webui: Webui, name: str) -> float:
    """Weights may be read as late as the first drawing: what that takes longer than the next counts too."""
    began = time.perf_counter()
    webui.post("options", sd_model_checkpoint=name)
    small_s(webui)
    return time.perf_counter() - began - small_s(webui)


def small_s(webui: Webui) -> float:
    began = time.perf_counter()
    webui.post("txt2img", prompt="a star", seed=1, steps=1, width=64, height=64)
    return time.perf_counter() - began


def read_s(file: Path) -> float:
    began = time.perf_counter()
    file.read_bytes()
    return time.perf_counter() - began
