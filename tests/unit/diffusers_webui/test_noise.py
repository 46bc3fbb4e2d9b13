from types import SimpleNamespace

import pytest
import torch

from diffusers_webui.noise import Noise


def noise(width=64, height=64, resize_from=None, strength=0, delta=0):
    job = SimpleNamespace(
        seeds=[1, 2], subseeds=[7, 8], subseed_strength=strength, seed_resize_from=resize_from
    )
    leg = SimpleNamespace(width=width, height=height)
    return Noise(job, leg, slice(0, 2), torch.device("cpu"), delta)


@pytest.mark.parametrize("size", [(128, 128), (128, 64), (32, 128)])
def test_resized_noise_has_the_other_sizes_noise_in_its_middle(size):
    small, large = noise().first(), noise(*size, resize_from=(64, 64)).first()
    width, height = min(size[0], 64) // 8, min(size[1], 64) // 8

    def middle(latents):
        top, left = (latents.shape[2] - height) // 2, (latents.shape[3] - width) // 2
        return latents[:, :, top : top + height, left : left + width]

    assert large.shape == (2, 4, size[1] // 8, size[0] // 8)
    assert torch.equal(middle(large), middle(small))


def test_a_variation_is_between_its_two_seeds():
    plain, varied, other = (noise(strength=strength).first() for strength in (0, 0.3, 1.0))
    assert 0 < (varied - plain).norm() < (other - plain).norm()


def test_the_delta_changes_only_the_noise_that_comes_after_the_first():
    plain, shifted = noise(), noise(delta=31337)
    assert torch.equal(plain.first(), shifted.first())
    assert not torch.equal(plain.next(), shifted.next())
