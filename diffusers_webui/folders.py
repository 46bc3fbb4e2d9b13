"""Every folder that this process reads models from or writes to."""

from dataclasses import dataclass
from pathlib import Path

from diffusers_webui.arguments import Settings
from diffusers_webui.checkpoints import CheckpointFolder
from diffusers_webui.embeddings import EmbeddingFolder
from diffusers_webui.hashes import HashCache
from diffusers_webui.loras import LoraFolder
from diffusers_webui.styles import Styles
from diffusers_webui.vaes import VaeFolder


@dataclass(frozen=True)
class Folders:
    """What is on disk."""

    hashes: HashCache
    checkpoints: CheckpointFolder
    loras: LoraFolder
    vaes: VaeFolder
    embeddings: EmbeddingFolder
    styles: Styles
    outputs: Path  #: save_images writes below it


def open_folders(settings: Settings) -> Folders:
    """All folders of the settings, looked at once."""
    hashes = HashCache(settings.data_dir / "cache")
    return Folders(
        hashes=hashes,
        checkpoints=CheckpointFolder(settings.ckpt_dir, hashes, hashing=not settings.no_hashing),
        loras=LoraFolder(settings.lora_dir, hashes),
        vaes=VaeFolder(settings.vae_dir, settings.ckpt_dir),
        embeddings=EmbeddingFolder(settings.embeddings_dir, hashes),
        styles=Styles(*settings.styles_files),
        outputs=settings.data_dir / "outputs",
    )
