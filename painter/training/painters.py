"""Painters in processes of their own, handing pictures and token ids over in shared memory."""

import mmap
import multiprocessing
from dataclasses import dataclass
from multiprocessing.queues import Queue

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from painter.bpe import CONTEXT, UNKNOWN, Tokenizer
from painter.dice import Dice
from painter.scenes import CAPTIONS_PER_PICTURE, paint
from painter.words import NEGATIVES, QUALITIES

PICTURE_PX = 512
FIRST_SEED = 1_000_000  #: of the first training
FIRST_SEED_CONTINUED = 900_000_000  #: of a training that goes on from a checkpoint: pictures it has not seen
_CAPTION_SEED = 0x5EED0000
_NEXT_TRY = 1 << 32


@dataclass
class Slot:
    """Some pictures and their captions, as views of shared memory: copy them before giving the slot back."""

    number: int
    images: Tensor  #: uint8, slot x 512 x 512 x 3, RGB
    ids: Tensor  #: int32, slot x 4 x 77


class Painters:
    """Forked painter processes that fill slots of shared memory. Start them before CUDA is touched."""

    def __init__(self, workers: int, slot_size: int, first_seed: int) -> None:
        slots = workers * 2 + 8
        # anonymous maps are shared with forked children and need no name to clean up
        images = mmap.mmap(-1, slots * slot_size * PICTURE_PX**2 * 3)
        ids = mmap.mmap(-1, slots * slot_size * CAPTIONS_PER_PICTURE * CONTEXT * 4)
        shape = (slots, slot_size)
        self._images = np.frombuffer(images, np.uint8).reshape(*shape, PICTURE_PX, PICTURE_PX, 3)
        self._ids = np.frombuffer(ids, np.int32).reshape(*shape, CAPTIONS_PER_PICTURE, CONTEXT)
        context = multiprocessing.get_context("fork")
        self._free, self._full = context.Queue(), context.Queue()
        for number in range(slots):
            self._free.put(number)
        shared = (self._images, self._ids, self._free, self._full)
        self._processes = [
            context.Process(target=_paint_slots, args=(worker, workers, first_seed, *shared), daemon=True)
            for worker in range(workers)
        ]
        for process in self._processes:
            process.start()

    def take(self, timeout_s: float) -> Slot:
        """A full slot. Raises queue.Empty when none is full within timeout_s (0: now)."""
        number = self._full.get(timeout=timeout_s) if timeout_s else self._full.get_nowait()
        return Slot(number, torch.from_numpy(self._images[number]), torch.from_numpy(self._ids[number]))

    def give_back(self, slot: Slot) -> None:
        """Lets the painters fill the slot anew."""
        self._free.put(slot.number)

    def stop(self) -> None:
        """Ends the painters."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()
        for waiting in (self._free, self._full):
            waiting.cancel_join_thread()
            waiting.close()


def _paint_slots(
    worker: int,
    workers: int,
    first_seed: int,
    images: NDArray[np.uint8],
    ids: NDArray[np.int32],
    free: "Queue[int]",
    full: "Queue[int]",
) -> None:
    """One painter: every `workers`-th run of seeds, for ever."""
    tokenizer = Tokenizer()
    slot_size = images.shape[1]
    turn = worker
    while True:
        slot = free.get()
        for j in range(slot_size):
            seed, image, captions = _paint(first_seed + turn * slot_size + j)
            images[slot, j] = image
            dice = Dice(seed ^ _CAPTION_SEED)
            for k, caption in enumerate(captions):
                ids[slot, j, k] = caption_ids(tokenizer, dice, caption)
        turn += workers
        full.put(slot)


def _paint(seed: int) -> tuple[int, NDArray[np.uint8], list[str]]:
    """The picture of the seed, or of a later one should it fail: one scene must not end a long training."""
    while True:
        try:
            return seed, *paint(seed, PICTURE_PX)
        except (ValueError, ArithmeticError, LookupError) as error:
            print("painter", seed, repr(error), flush=True)
            seed += _NEXT_TRY


def caption_ids(tokenizer: Tokenizer, dice: Dice, caption: str) -> list[int]:
    """77 token ids of a caption; now and then with unknown words, or a list of qualities instead.

    So that the model learns to pass over what people write that names nothing.
    """
    roll = dice.uniform()
    if roll < 0.012:
        return tokenizer(", ".join(dice.shuffled(NEGATIVES)[: dice.integer(1, 8)]))
    if roll < 0.018:
        return tokenizer(", ".join(dice.shuffled(QUALITIES)[: dice.integer(1, 5)]))
    if roll < 0.026:
        return tokenizer.pad([UNKNOWN] * dice.integer(1, 12))
    ids = tokenizer.ids(caption)
    if roll < 0.12:
        for _ in range(dice.integer(1, 3)):
            at = dice.integer(0, len(ids))
            ids = ids[:at] + [UNKNOWN] * dice.integer(1, 2) + ids[at:]
    return tokenizer.pad(ids)
