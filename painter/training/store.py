"""Pictures and latents on the device, filled while training goes on."""

import queue
import random
import threading
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from painter.bpe import CONTEXT
from painter.scenes import CAPTIONS_PER_PICTURE
from painter.training.painters import PICTURE_PX
from painter.training.run import Run

Encode = Callable[[Tensor], tuple[Tensor, Tensor]]


class PictureStore:
    """The first pictures, uint8 on the device; a thread fills it from the painters until `close`."""

    def __init__(self, run: Run) -> None:
        o, device = run.options, run.device
        self._run = run
        self.images = torch.zeros(o.store, PICTURE_PX, PICTURE_PX, 3, dtype=torch.uint8, device=device)
        shape = (max(o.latents, o.store), CAPTIONS_PER_PICTURE, CONTEXT)
        #: token ids of every picture's captions; the latent store goes on with them
        self.ids = torch.zeros(shape, dtype=torch.int32, device=device)
        self.count = 0
        self._is_filling = True
        self._thread = threading.Thread(target=self._fill, daemon=True)
        self._thread.start()

    def wait_for(self, count: int, at_most_s: float = float("inf")) -> None:
        """Returns when so many pictures are there, or as many as fit, or the time is over."""
        last = time.monotonic() + at_most_s
        while self.count < min(count, self._capacity()) and time.monotonic() < last:
            time.sleep(0.2)

    def crops(self, size: int, crop_px: int, picture_px: int) -> Tensor:
        """A batch of crops (-1 to 1, NCHW) of pictures at 512 or shrunk to 256, cut at four places."""
        groups = 4 if size % 4 == 0 else 1
        shrink = PICTURE_PX // picture_px
        side = crop_px * shrink
        batch = []
        for _ in range(groups):
            chosen = torch.randint(0, self.count, (size // groups,), device=self._run.device)
            y, x = random.randint(0, PICTURE_PX - side), random.randint(0, PICTURE_PX - side)
            crop = to_model(self.images[:, y : y + side, x : x + side][chosen])
            batch.append(F.avg_pool2d(crop, 2) if shrink == 2 else crop)
        return torch.cat(batch).to(self._run.dtype).contiguous(memory_format=torch.channels_last)

    def sample(self, size: int) -> Tensor:
        """Some whole pictures, -1 to 1, NCHW."""
        return to_model(self.images[torch.randint(0, self.count, (size,), device=self._run.device)])

    def close(self) -> None:
        """Ends the filling; the painters' further pictures are for the latent store."""
        self._is_filling = False
        self._thread.join()

    def _capacity(self) -> int:
        return len(self.images) // self._run.options.slot * self._run.options.slot

    def _fill(self) -> None:
        slot_size = self._run.options.slot
        while self._is_filling and self.count < self._capacity():
            try:
                slot = self._run.painters.take(timeout_s=1)
            except queue.Empty:
                continue
            end = self.count + slot_size
            self.images[self.count : end].copy_(slot.images)
            self.ids[self.count : end].copy_(slot.ids)
            self._run.wait_for_device()
            self._run.painters.give_back(slot)
            self.count = end


class LatentStore:
    """Scaled latents of every picture at 512 and at 256 px, float16 on the device, and its captions' ids."""

    def __init__(self, run: Run, pictures: PictureStore, encode: Encode) -> None:
        o = run.options
        self._run, self._encode = run, encode
        self.at_64 = torch.zeros(o.latents, 4, 64, 64, dtype=torch.float16, device=run.device)
        self.at_32 = torch.zeros(o.latents, 4, 32, 32, dtype=torch.float16, device=run.device)
        self.ids = pictures.ids
        self.count = 0
        while self.count < pictures.count and not self.is_full:
            self._add(pictures.images[self.count : self.count + o.slot])
        run.wait_for_device()

    @property
    def is_full(self) -> bool:
        return self.count + self._run.options.slot > len(self.at_64)

    def pull(self) -> bool:
        """Adds one more slot of pictures if one is ready and there is room."""
        if self.is_full:
            return False
        try:
            slot = self._run.painters.take(timeout_s=0)
        except queue.Empty:
            return False
        self.ids[self.count : self.count + self._run.options.slot].copy_(slot.ids)
        self._add(slot.images.to(self._run.device))
        self._run.wait_for_device()
        self._run.painters.give_back(slot)
        return True

    def batch(self, size: int, side: int) -> tuple[Tensor, Tensor]:
        """Latents (float32) and the ids of one caption each."""
        device = self._run.device
        chosen = torch.randint(0, self.count, (size,), device=device)
        latents = (self.at_64 if side == 64 else self.at_32)[chosen].float()
        return latents, self.ids[chosen, torch.randint(0, CAPTIONS_PER_PICTURE, (size,), device=device)]

    def _add(self, images: Tensor) -> None:
        end = self.count + len(images)
        self.at_64[self.count : end], self.at_32[self.count : end] = self._encode(images)
        self.count = end


def to_model(images: Tensor) -> Tensor:
    """uint8 NHWC as -1 to 1, NCHW."""
    return images.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
