"""Stage 3: the blueprint LoRA, a style, on the UNet's attention layers, saved under the webui's keys."""

import math
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from painter.model.config import LATENT_SCALE
from painter.model.text import TextModel
from painter.model.unet import SpatialTransformer, UNet
from painter.model.vae import AutoencoderKL
from painter.training.diffusion_stage import Noising
from painter.training.run import Run
from painter.training.sampling import sample, save_sheet

RANK = 4
PAPER, LINES = (18, 62, 140), (232, 242, 255)
PEAK_LR, PEAK_LR_CONTINUED = 2e-3, 1e-3


def blueprint(images: Tensor) -> Tensor:
    """Pictures (uint8 NHWC) as white lines on ruled blue paper, -1 to 1, NCHW."""
    x = images.permute(0, 3, 1, 2).float() / 255
    across = F.pad(x[..., 2:] - x[..., :-2], (1, 1, 0, 0), mode="replicate").abs().amax(1, keepdim=True)
    down = F.pad(x[..., 2:, :] - x[..., :-2, :], (0, 0, 1, 1), mode="replicate").abs().amax(1, keepdim=True)
    edges = F.max_pool2d(((across + down - 0.03) * 5).clamp(0, 1), 3, 1, 1)
    brightness = (x * _as_color((0.3, 0.59, 0.11), x)).sum(1, keepdim=True)
    paper = _as_color(PAPER, x) / 255 * (0.8 + 0.35 * brightness)
    side = x.shape[-1]
    rules = torch.zeros(1, 1, side, side, device=x.device)
    rules[..., :: side // 16, :] = 0.12
    rules[..., :, :: side // 16] = 0.12
    ruled = paper + (1 - paper) * rules
    return (ruled * (1 - edges) + _as_color(LINES, x) / 255 * edges) * 2 - 1


def _as_color(color: tuple[float, float, float], like: Tensor) -> Tensor:
    return torch.tensor(color, device=like.device)[None, :, None, None]


class LoRALayer(nn.Module):
    """A frozen layer and the small change to it that is trained."""

    def __init__(self, base: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down: nn.Module
        self.up: nn.Module
        if isinstance(base, nn.Conv2d):
            width_in = base.in_channels
            self.down = nn.Conv2d(width_in, RANK, 1, bias=False)
            self.up = nn.Conv2d(RANK, base.out_channels, 1, bias=False)
        else:
            width_in = base.in_features
            self.down = nn.Linear(width_in, RANK, bias=False)
            self.up = nn.Linear(RANK, base.out_features, bias=False)
        nn.init.normal_(self.down.weight, std=1 / math.sqrt(width_in))
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.up(self.down(x))


def add_lora(unet: UNet) -> dict[str, LoRALayer]:
    """Wraps every linear layer and projection of the attention blocks; gives the layers by webui key."""
    layers = {}
    for block_name, block in list(unet.named_modules()):
        if not isinstance(block, SpatialTransformer):
            continue
        for name, layer in list(block.named_modules()):
            if isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and name.startswith("proj_")):
                parent, _, last = name.rpartition(".")
                wrapped = LoRALayer(layer).to(layer.weight.device)
                setattr(block.get_submodule(parent), last, wrapped)
                layers["lora_unet_" + diffusers_name(f"{block_name}.{name}").replace(".", "_")] = wrapped
    return layers


def diffusers_name(name: str) -> str:
    """diffusers' path of an attention layer from LDM's, for two res blocks a level."""
    kind, *rest = name.split(".")
    if kind == "middle_block":
        return "mid_block.attentions.0." + ".".join(rest[1:])
    number, inner = int(rest[0]), ".".join(rest[2:])
    if kind == "input_blocks":
        return f"down_blocks.{(number - 1) // 3}.attentions.{(number - 1) % 3}.{inner}"
    return f"up_blocks.{number // 3}.attentions.{number % 3}.{inner}"


def save_lora(layers: dict[str, LoRALayer], file: Path) -> int:
    """Writes the LoRA as float16; gives its size in bytes."""
    weights = {}
    for key, layer in layers.items():
        weights[key + ".lora_down.weight"] = layer.down.weight.detach().half().cpu().contiguous()
        weights[key + ".lora_up.weight"] = layer.up.weight.detach().half().cpu().contiguous()
        weights[key + ".alpha"] = torch.tensor(float(RANK))
    metadata = {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(RANK),
        "ss_network_alpha": str(RANK),
        "ss_base_model_version": "sd_v1",
        "ss_output_name": "blueprint",
    }
    save_file(weights, file, metadata=metadata)
    return sum(value.numel() * value.element_size() for value in weights.values())


@torch.no_grad()
def load_lora(layers: dict[str, LoRALayer], file: Path) -> None:
    """Puts a saved LoRA into the layers."""
    weights = load_file(file)
    for key, layer in layers.items():
        for part in ("down", "up"):
            weight = getattr(layer, part).weight
            weight.copy_(weights[f"{key}.lora_{part}.weight"].reshape(weight.shape))


def train_lora(
    run: Run,
    unet: UNet,
    text: TextModel,
    encoder: AutoencoderKL,
    images: Tensor,
    ids: Tensor,
    noising: Noising,
) -> None:
    """Trains for --lora-s seconds on blueprints of `images` and writes blueprint.safetensors."""
    unet = unet.to(run.dtype).requires_grad_(False)
    text = text.float().requires_grad_(False)
    at_64, at_32 = _encode_blueprints(run, encoder, images)
    save_sheet(blueprint(images[:12]), run.file("lora_targets.png"))
    layers = add_lora(unet)
    peak = PEAK_LR
    if run.options.init_lora:
        load_lora(layers, run.options.init_lora)
        peak = PEAK_LR_CONTINUED
    parameters = [p for layer in layers.values() for p in (layer.down.weight, layer.up.weight)]
    optimizer = torch.optim.AdamW(parameters, lr=peak, weight_decay=0.0)
    started, losses = time.monotonic(), []
    while (progress := (time.monotonic() - started) / run.options.lora_s) < 1 and not run.is_over(
        len(losses)
    ):
        latents = at_64 if random.random() < 0.5 else at_32
        chosen = torch.randint(0, len(images), (run.options.batch_lora,), device=run.device)
        captions = ids[chosen, torch.randint(0, ids.shape[1], (len(chosen),), device=run.device)]
        loss = _lora_loss(run, unet, text, latents[chosen], captions, noising)
        cosine = 0.5 * (1 + math.cos(math.pi * progress)) * 0.95 + 0.05
        for group in optimizer.param_groups:
            group["lr"] = peak * min(1, (len(losses) + 1) / 20) * cosine
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    size_bytes = save_lora(layers, run.file("blueprint.safetensors"))
    first, last = _mean(losses[:20]), _mean(losses[-50:])
    run.log("lora: steps", len(losses), "loss", first, "->", last, "bytes", size_bytes)
    run.save_json("lora.json", {"steps": len(losses), "loss": losses[::5], "bytes": size_bytes})
    prompts = noising.preview_ids if run.is_gpu else noising.preview_ids[:1]
    steps = 25 if run.is_gpu else 2
    with torch.autocast(run.device, dtype=torch.bfloat16, enabled=run.is_gpu):
        pictures = sample(unet, text, encoder, prompts, noising.empty, 64, steps, dtype=run.dtype)
    save_sheet(pictures, run.file("samples_lora.png"))


@torch.no_grad()
def _encode_blueprints(run: Run, encoder: AutoencoderKL, images: Tensor) -> tuple[Tensor, Tensor]:
    """Scaled latents of the pictures' blueprints at 512 and at 256 px."""
    at_64, at_32 = [], []
    for i in range(0, len(images), 32):
        x = blueprint(images[i : i + 32]).to(run.dtype).contiguous(memory_format=torch.channels_last)
        at_64.append(encoder.encode(x)[0].float() * LATENT_SCALE)
        at_32.append(encoder.encode(F.avg_pool2d(x, 2))[0].float() * LATENT_SCALE)
    return torch.cat(at_64), torch.cat(at_32)


def _lora_loss(
    run: Run, unet: UNet, text: TextModel, latents: Tensor, ids: Tensor, noising: Noising
) -> Tensor:
    size, side = len(latents), latents.shape[-1]
    ids = noising.sometimes_empty(ids)
    t, noise = noising.steps(size), noising.noise(size, side)
    share = noising.shares[t][:, None, None, None]
    x = (share.sqrt() * latents + (1 - share).sqrt() * noise).to(run.dtype)
    with torch.autocast(run.device, dtype=torch.bfloat16, enabled=run.is_gpu):
        with torch.no_grad():
            context = text(ids)
        predicted = unet(x.contiguous(memory_format=torch.channels_last), t, context.to(run.dtype)).float()
    weight = torch.clamp(noising.ratios[t], max=5) / noising.ratios[t]
    return ((predicted - noise).pow(2).mean((1, 2, 3)) * weight).mean()


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
