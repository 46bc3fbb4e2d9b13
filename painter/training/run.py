"""What every stage of a training run shares: its folder, device, log and painters."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from painter.training.losses import use_fast_kernels
from painter.training.options import Options
from painter.training.painters import FIRST_SEED, FIRST_SEED_CONTINUED, Painters


class Run:
    """One training run. Made before anything touches CUDA, for its painters are forked processes."""

    def __init__(self, options: Options) -> None:
        options.out.mkdir(parents=True, exist_ok=True)
        self.options = options
        self.started = time.monotonic()
        self._log_file = open(self.file("train.log"), "a", encoding="utf-8")
        first_seed = FIRST_SEED_CONTINUED if options.init else FIRST_SEED
        self.painters = Painters(options.workers, options.slot, first_seed)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.is_gpu = self.device == "cuda"
        self.dtype = torch.bfloat16 if self.is_gpu else torch.float32
        self.compiles = self.is_gpu and not options.no_compile
        self._warmers: list[subprocess.Popen[bytes]] = []
        torch.manual_seed(0)
        use_fast_kernels()

    def file(self, name: str) -> Path:
        """A file of the run's folder."""
        return self.options.out / name

    def log(self, *words: object) -> None:
        """One line on the screen and in train.log, with the seconds since the start."""
        line = f"[{time.monotonic() - self.started:6.1f}] " + " ".join(str(word) for word in words)
        print(line, flush=True)
        self._log_file.write(line + "\n")
        self._log_file.flush()

    def save_json(self, name: str, value: Any) -> None:
        """Writes the value whole or not at all."""
        unfinished = self.file(name + ".tmp")
        unfinished.write_text(json.dumps(value))
        os.replace(unfinished, self.file(name))

    def wait_for_device(self) -> None:
        """Returns when the GPU has done what it was told."""
        if self.is_gpu:
            torch.cuda.synchronize()

    def is_over(self, step: int) -> bool:
        """The stage has made as many steps as --max-steps allows."""
        return 0 < self.options.max_steps <= step

    def start_warming(self) -> None:
        """Compiles the losses in other processes, while painters paint and the VAE trains uncompiled."""
        if not self.compiles:
            return
        o = self.options
        for which in ("vae", "unet"):
            sizes = [str(size) for size in (o.batch_crops, o.batch_32, o.batch_64, o.slot)]
            command = [sys.executable, "-m", "painter.training.warm", which, str(o.out), *sizes]
            with open(self.file(f"warm_{which}.log"), "wb") as output:
                self._warmers.append(subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT))

    def is_warm(self, shape: str) -> bool:
        """warm.py has put this shape into the compiler's cache, so compiling it here costs little."""
        return self.compiles and self.file(f"warm_{shape}").exists()

    def close(self) -> None:
        """Ends painters and warming processes."""
        self.painters.stop()
        for warmer in self._warmers:
            warmer.terminate()
            warmer.wait()
        self._log_file.close()
