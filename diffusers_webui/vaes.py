"""VAE files: what is there, and which one a checkpoint is drawn with.

Source: stable-diffusion-webui modules/sd_vae.py.
"""

from pathlib import Path

from diffusers_webui.checkpoints import Checkpoint

_SUFFIXES = (".safetensors", ".ckpt", ".pt")


class VaeFolder:
    """The VAE folder, and the `*.vae.*` beside checkpoints, as they were at the last look."""

    def __init__(self, folder: Path, ckpt_dir: Path):
        self._folder, self._ckpt_dir = folder, ckpt_dir
        self._files: dict[str, Path] = {}
        self.refresh()

    def refresh(self) -> None:
        """Look at the folders again."""
        beside = [path for path in self._ckpt_dir.rglob("*.vae.*") if path.suffix in _SUFFIXES]
        own = [path for path in self._folder.rglob("*") if path.suffix in _SUFFIXES]
        self._files = {path.name: path for path in sorted([*beside, *own]) if path.is_file()}

    def listing(self) -> list[dict[str, str]]:
        """The body of GET /sd-vae."""
        return [{"model_name": name, "filename": str(path)} for name, path in self._files.items()]

    def chosen(self, option: object, checkpoint: Checkpoint) -> Path | None:
        """The file that option sd_vae means for this checkpoint; None is the checkpoint's own VAE.

        Automatic takes a file whose name begins like the checkpoint's. An unknown name is the checkpoint's
        own, silently, as in the stock webui.
        """
        if option == "Automatic":
            return next(
                (path for name, path in self._files.items() if name.startswith(checkpoint.stem)), None
            )
        return self._files.get(str(option))
