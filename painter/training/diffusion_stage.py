"""Stage 2: text encoder and UNet, together, on the latents."""

import copy
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from painter.bpe import CONTEXT, END, START, UNKNOWN, VOCABULARY_SIZE, Tokenizer
from painter.model.config import TEXT, UNET
from painter.model.schedule import signal_shares, signal_to_noise
from painter.model.text import TextModel
from painter.model.unet import UNet
from painter.model.vae import AutoencoderKL
from painter.training.checkpoint import TEXT_PREFIX, UNET_PREFIX, load_into, save_checkpoint
from painter.training.losses import compiled, diffusion_loss
from painter.training.run import Run
from painter.training.sampling import PROMPTS, sample, save_sheet
from painter.training.store import LatentStore
from painter.training.weights import MasterWeights

EMPTY_CAPTION_SHARE = 0.1
LossOf = Callable[..., tuple[Tensor, Tensor]]


class Noising:
    """Steps, noise and empty captions, as both this stage and the LoRA's train with them."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.shares = signal_shares().to(device)
        self.ratios = signal_to_noise().to(device)
        tokenizer = Tokenizer()
        self.empty = torch.tensor(tokenizer(""), dtype=torch.int32, device=device)
        self.preview_ids = torch.tensor([tokenizer(p) for p in PROMPTS], dtype=torch.int32, device=device)

    def steps(self, size: int) -> Tensor:
        """Random steps of the schedule."""
        return torch.randint(0, 1000, (size,), device=self.device)

    def noise(self, size: int, side: int) -> Tensor:
        """White noise and a little at very low frequencies, so that plain backgrounds follow the text."""
        noise = torch.randn(size, 4, side, side, device=self.device)
        noise += 0.09 * torch.randn(size, 4, 1, 1, device=self.device)
        coarse = torch.randn(size, 4, 4, 4, device=self.device)
        return noise + 0.05 * F.interpolate(coarse, size=(side, side), mode="bilinear", align_corners=False)

    def sometimes_empty(self, ids: Tensor) -> Tensor:
        """One caption in ten replaced by the empty one, for guidance."""
        is_empty = torch.rand(len(ids), device=self.device) < EMPTY_CAPTION_SHARE
        return torch.where(is_empty[:, None], self.empty[None], ids)


@dataclass
class Progress:
    """How far the stage is."""

    step: int = 0
    seen: dict[int, int] = field(default_factory=lambda: {64: 0, 32: 0})  #: pictures, by side of latents
    recent: dict[int, list[Tensor]] = field(
        default_factory=lambda: {64: [], 32: []}
    )  #: losses since the last line
    curve: list[tuple[object, ...]] = field(default_factory=list)


class DiffusionStage:
    """Text encoder and UNet with their optimizers; from nothing, or from --init."""

    def __init__(self, run: Run) -> None:
        o = run.options
        self.run = run
        self.noising = Noising(run.device)
        self.text = TextModel(**TEXT).to(run.device)
        self.unet = UNet(**UNET).to(run.device).to(memory_format=torch.channels_last)
        if o.init:
            load_into(self.text, o.init, TEXT_PREFIX)
            load_into(self.unet, o.init, UNET_PREFIX)
        self._unet_weights = MasterWeights(self.unet, run.dtype, lr=o.lr, weight_decay=0.01, average=0.9995)
        self._text_weights = MasterWeights(self.text, torch.float32, lr=o.lr, average=0.9995)
        self._fast_loss: LossOf = compiled(diffusion_loss) if run.compiles else diffusion_loss
        self._fast_sides: set[int] = set()

    def prepare(self) -> None:
        """With --init: compiles the 64 x 64 step before there are latents, while the painters paint.

        32 x 32 stays uncompiled: compiling it costs more than so short a training saves.
        """
        run, started = self.run, time.monotonic()
        for side, size, loss_of in (
            (64, run.options.batch_64, self._fast_loss),
            (32, run.options.batch_32, diffusion_loss),
        ):
            for _ in range(2):
                ids = torch.full((size, CONTEXT), END, dtype=torch.int32, device=run.device)
                latents = torch.randn(size, 4, side, side, device=run.device)
                noise = torch.randn(size, 4, side, side, device=run.device)
                share, ratio = torch.rand(2, size, device=run.device) * 0.9 + 0.05
                gamma = torch.tensor(5.0, device=run.device)
                steps = self.noising.steps(size)
                loss_of(self.unet, self.text, latents, ids, steps, noise, share, ratio, gamma)[0].backward()
            run.wait_for_device()
            run.log("prepared", side, "after", round(time.monotonic() - started, 1), "s")
        for parameter in [*self.unet.parameters(), *self.text.parameters()]:
            parameter.grad = None
        self._fast_sides.add(64)

    def train(
        self, latents: LatentStore, vae: AutoencoderKL, encoder: AutoencoderKL
    ) -> tuple[UNet, TextModel]:
        """Trains for --unet-s seconds, saving on the way; gives the averaged UNet and text encoder."""
        run, done = self.run, Progress()
        used = self._used_words(latents)
        run.log("tokens in use", int(used.sum()))
        started = time.monotonic()
        save_at = [0.5] if run.options.init else [0.3, 0.7]
        while (progress := (time.monotonic() - started) / run.options.unet_s) < 1 and not run.is_over(
            done.step
        ):
            self._train_step(latents, progress, done)
            if done.step % 6 == 0:
                latents.pull()
            if done.step % 100 == 99:
                self._tell(done, time.monotonic() - started, latents.count)
            done.step += 1
            if save_at and progress >= save_at[0]:
                self._save(f"p{save_at.pop(0) * 100:.0f}", vae, encoder, used, done)
        run.wait_for_device()
        run.log("unet trained: steps", done.step, "seen", done.seen, "latents", latents.count)
        seconds = time.monotonic() - started
        facts = {"steps": done.step, "seen": done.seen, "latents": latents.count, "seconds": seconds}
        run.save_json("unet.json", facts)
        return self._save("final", vae, encoder, used, done)

    def _train_step(self, latents: LatentStore, progress: float, done: Progress) -> None:
        run, noising = self.run, self.noising
        side = 64 if random.random() < self._share_of_64(progress) else 32
        size = run.options.batch_64 if side == 64 else run.options.batch_32
        gamma = torch.tensor(5.0 if progress < 0.6 else 15.0, device=run.device)
        x, ids = latents.batch(size, side)
        ids, t, noise = noising.sometimes_empty(ids), noising.steps(size), noising.noise(size, side)
        loss_of = self._loss_for(side, done.step)
        share, ratio = noising.shares[t], noising.ratios[t]
        loss, raw = loss_of(self.unet, self.text, x, ids, t, noise, share, ratio, gamma)
        loss.backward()
        lr = self._lr(progress, done.step)
        self._unet_weights.step(lr)
        self._text_weights.step(lr)
        done.seen[side] += size
        done.recent[side].append(torch.stack([loss.detach(), raw]))

    def _share_of_64(self, progress: float) -> float:
        """How often a batch has large latents: small ones first, when training from nothing."""
        return 0.25 if progress < 0.35 and not self.run.options.init else 0.75

    def _lr(self, progress: float, step: int) -> float:
        peak = self.run.options.lr
        if self.run.options.init:  # a short warm-up, then a cosine to 1 % over the whole stage
            return peak * min(1, (step + 1) / 100) * (0.5 * (1 + math.cos(math.pi * progress)) * 0.99 + 0.01)
        falling = 0.5 * (1 + math.cos(math.pi * (progress - 0.25) / 0.75)) * 0.98 + 0.02
        return peak * min(1, (step + 1) / 400) * (1 if progress < 0.25 else falling)

    def _loss_for(self, side: int, step: int) -> LossOf:
        """The compiled loss where it is ready, else the plain one."""
        if side not in self._fast_sides and self.run.is_warm(f"unet_{side}"):
            self._fast_sides.add(side)
            self.run.log("unet: compiled", side, "from step", step)
        return self._fast_loss if side in self._fast_sides else diffusion_loss

    def _tell(self, done: Progress, seconds: float, latents: int) -> None:
        """A point of the curve, and now and then a line of the log."""
        means = {}
        for side, losses in done.recent.items():
            means[side] = torch.stack(losses[-100:]).mean(0).tolist() if losses else [0.0, 0.0]
            losses.clear()
        done.curve.append((done.step, round(seconds, 1), means[64], means[32], latents))
        if done.step % 400 == 399 or done.step < 400:
            losses_told = " ".join(f"loss{s} {means[s][0]:.4f} (raw {means[s][1]:.4f})" for s in (64, 32))
            self.run.log(f"unet step {done.step} {losses_told} seen {done.seen} latents {latents}")

    def _used_words(self, latents: LatentStore) -> Tensor:
        """Which ids the captions have; and, going on from a checkpoint, which were trained before."""
        ids = latents.ids[: latents.count].reshape(-1).long()
        used = torch.bincount(ids, minlength=VOCABULARY_SIZE) >= 1
        if self.run.options.init:
            rows = self.text.text_model.embeddings.token_embedding.weight.detach()
            used |= (rows != rows[UNKNOWN]).any(1)
        used[[START, END, UNKNOWN]] = True
        return used

    def _save(
        self, tag: str, vae: AutoencoderKL, encoder: AutoencoderKL, used: Tensor, done: Progress
    ) -> tuple[UNet, TextModel]:
        """Writes tiny_TAG.safetensors and a sheet of pictures by it; gives its UNet and text encoder."""
        run = self.run
        unet, text = copy.deepcopy(self.unet).float(), copy.deepcopy(self.text).float()
        self._unet_weights.averages_into(unet)
        self._text_weights.averages_into(text)
        size_bytes = save_checkpoint(run.file(f"tiny_{tag}.safetensors"), unet, text, vae, used.cpu())
        run.save_json("unet_curve.json", done.curve)
        unet.to(run.dtype)
        ids = self.noising.preview_ids if run.is_gpu else self.noising.preview_ids[:2]
        steps = 25 if run.is_gpu else 2
        for side in (64, 32):
            pictures = sample(unet, text, encoder, ids, self.noising.empty, side, steps, dtype=run.dtype)
            save_sheet(pictures, run.file(f"samples_{tag}_{side * 8}.png"))
        run.log("saved", tag, size_bytes, "bytes")
        return unet, text
