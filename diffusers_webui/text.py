"""What the UNet is told about a prompt, and the networks that make it of tokens."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Text:
    """One prompt, or a batch of them, as the UNet hears it."""

    context: Tensor  #: (pictures, 77 x chunks, width)
    pooled: Tensor | None = None  #: (pictures, width); SDXL alone has it

    @property
    def length(self) -> int:
        """Tokens of one picture's prompt."""
        return self.context.shape[1]

    def lengthened(self, length: int) -> "Text":
        """The same, as long as `length` tokens: the last one is repeated."""
        missing = max(length - self.length, 0)
        return Text(
            torch.cat([self.context, self.context[:, -1:].expand(-1, missing, -1)], dim=1), self.pooled
        )

    def repeated(self, count: int) -> "Text":
        """The same for every picture of a batch."""
        pooled = None if self.pooled is None else self.pooled.expand(count, -1)
        return Text(self.context.expand(count, -1, -1), pooled)

    def as_empty_negative(self) -> "Text":
        """Of an empty negative prompt SDXL hears zeros, the others what their encoder makes of nothing."""
        if self.pooled is None:
            return self
        return Text(torch.zeros_like(self.context), torch.zeros_like(self.pooled))

    def followed_by(self, other: "Text") -> "Text":
        """Both in one batch. They must be equally long."""
        pooled = None
        if self.pooled is not None and other.pooled is not None:
            pooled = torch.cat([self.pooled, other.pooled])
        return Text(torch.cat([self.context, other.context]), pooled)

    def unet_inputs(self, height: int, width: int) -> dict[str, Any]:
        """The UNet's arguments. SDXL is also told the size in pixels, and that nothing is cropped."""
        inputs: dict[str, Any] = {"encoder_hidden_states": self.context}
        if self.pooled is not None:
            sizes = self.pooled.new_tensor([height, width, 0, 0, height, width])
            inputs["added_cond_kwargs"] = {
                "text_embeds": self.pooled,
                "time_ids": sizes.expand(len(self.pooled), -1),
            }
        return inputs


@dataclass(frozen=True)
class TextEncoder:
    """One text network of a checkpoint, and how it is asked."""

    network: Any  #: CLIPTextModel, or CLIPTextModelWithProjection where `is_pooled`
    kohya_name: str  #: what LoRA files call it: te, te1 or te2
    pad: int  #: token behind the end of a prompt
    layer: int = -1  #: the hidden state that is heard: -1 the last, -2 the one before
    is_normed: bool = True  #: whether the final layer norm comes after it
    obeys_clip_skip: bool = False  #: Stable Diffusion 1 alone does
    is_pooled: bool = False  #: also gives the pooled vector that SDXL hears

    def hear(self, tokens: Tensor, clip_skip: int) -> Text:
        """What it makes of tokens, (1, 77)."""
        output = self.network(input_ids=tokens, output_hidden_states=True)
        layer = -clip_skip if self.obeys_clip_skip and clip_skip > 1 else self.layer
        context = output.hidden_states[layer]
        if self.is_normed:
            # transformers 4 wraps the network in text_model, transformers 5 only the pooled one
            context = getattr(self.network, "text_model", self.network).final_layer_norm(context)
        return Text(context, output.text_embeds if self.is_pooled else None)
