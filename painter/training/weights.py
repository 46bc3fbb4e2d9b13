"""Mixed precision: float32 master weights beside a working copy, with their moving average."""

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn


class MasterWeights:
    """A module's float32 weights, optimizer and moving average; the module itself works in `dtype`."""

    def __init__(
        self,
        module: nn.Module,
        dtype: torch.dtype,
        lr: float,
        weight_decay: float = 0.0,
        average: float = 0.999,
    ) -> None:
        self.masters = [p.detach().float().clone() for p in module.parameters()]
        self.averages = [p.clone() for p in self.masters]
        self._decay, self._steps = average, 0
        if dtype != torch.float32:
            module.to(dtype)
        self._working = list(module.parameters())
        for master in self.masters:
            master.requires_grad_(True)
            master.grad = torch.zeros_like(master)
        matrices = [p for p in self.masters if p.ndim > 1]
        vectors = [p for p in self.masters if p.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.99), fused=self.masters[0].is_cuda)

    @torch.no_grad()
    def step(self, lr: float, clip: float = 1.0) -> None:
        """One step by the module's gradients, which are then cleared."""
        torch._foreach_copy_(cast(list[Tensor], [p.grad for p in self.masters]), list(self._gradients()))
        torch.nn.utils.clip_grad_norm_(self.masters, clip, foreach=True)
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        self._optimizer.step()
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(self.averages, self.masters, 1 - decay)
        torch._foreach_copy_(self._working, self.masters)
        for parameter in self._working:
            parameter.grad = None

    @torch.no_grad()
    def averages_into(self, module: nn.Module) -> None:
        """Puts the moving average into another module of the same kind."""
        for parameter, average in zip(module.parameters(), self.averages, strict=True):
            parameter.copy_(average)

    def _gradients(self) -> Iterator[Tensor]:
        for parameter in self._working:
            if parameter.grad is None:
                raise ValueError("a parameter has no gradient: every parameter must take part in the loss")
            yield parameter.grad
