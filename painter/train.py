"""Trains tiny-painter end to end: painter -> VAE -> text encoder and UNet -> blueprint LoRA.

    python -m painter.train --out out/training                  # one H200: about 25 minutes in all
    python -m painter.train --out out/more --init CHECKPOINT --init-lora LORA --unet-s 300 --lr 4e-4
    python -m painter.train --out out/try --tiny                # every stage on a CPU, in about a minute

One process with its painters, each stage bounded by seconds. The checkpoint is OUT/tiny_final.safetensors,
the LoRA OUT/blueprint.safetensors; `python -m painter.package` makes a model pack's folder of the first.
"""

import copy
import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from painter.model.config import VAE
from painter.model.vae import AutoencoderKL
from painter.training.checkpoint import VAE_PREFIX, load_into
from painter.training.diffusion_stage import DiffusionStage
from painter.training.lora_stage import train_lora
from painter.training.losses import compiled, encode
from painter.training.options import parse_options
from painter.training.run import Run
from painter.training.store import LatentStore, PictureStore
from painter.training.vae_stage import fold_latents, measure_vae, train_vae

PAINTING_ALONE_S = 150  # with --init: how long painting may go on before the latents are made


def main() -> None:
    run = Run(parse_options())
    try:
        train(run)
    finally:
        run.close()


def train(run: Run) -> None:
    """All stages, one after another."""
    if not run.options.init:
        run.start_warming()
    pictures = PictureStore(run)
    pictures.wait_for(run.options.min_store)
    run.log("device", run.device, "first", pictures.count, "pictures")
    vae = AutoencoderKL(**VAE).to(run.device).to(memory_format=torch.channels_last)
    if run.options.init:
        load_into(vae, run.options.init, VAE_PREFIX)
        diffusion = DiffusionStage(run)
        diffusion.prepare()
        pictures.wait_for(run.options.store, at_most_s=PAINTING_ALONE_S)
    else:
        make_vae(run, vae, pictures)
        diffusion = DiffusionStage(run)
    vae.eval()
    pictures.close()
    encoder = copy.deepcopy(vae).to(run.dtype).requires_grad_(False)
    latents = LatentStore(run, pictures, _encode_with(run, encoder))
    run.log("encoded", latents.count, "latent std", latents.at_64[:4096].float().std((0, 2, 3)).tolist())
    lora_images = pictures.images[: min(4096, pictures.count)].clone()
    del pictures
    if run.is_gpu:
        torch.cuda.empty_cache()
    unet, text = diffusion.train(latents, vae, encoder)
    train_lora(run, unet, text, encoder, lora_images, latents.ids, diffusion.noising)
    run.log("all done")


def make_vae(run: Run, vae: AutoencoderKL, pictures: PictureStore) -> None:
    """Trains, folds and measures the VAE."""
    steps = train_vae(run, vae, pictures)
    vae.to(memory_format=torch.channels_last).eval()
    size, batches = (16, 40) if run.is_gpu else (2, 2)
    at_512 = [pictures.sample(size) for _ in range(batches)]
    at_256 = [F.avg_pool2d(pictures.sample(size), 2) for _ in range(batches)]
    variances = fold_latents(vae, at_512 + at_256)
    psnr = measure_vae(run, vae, 256 if run.is_gpu else 2)
    run.log("vae held-out psnr", psnr)
    torch.save(vae.state_dict(), run.file("vae.pt"))
    run.save_json("vae.json", {"psnr": psnr, "variances": variances, "steps": steps})


def _encode_with(run: Run, encoder: AutoencoderKL) -> functools.partial[tuple[Tensor, Tensor]]:
    """The latent encoder, compiled where that is ready."""
    function = compiled(encode) if run.is_warm("encode") else encode
    return functools.partial(torch.no_grad()(function), encoder)


if __name__ == "__main__":
    main()
