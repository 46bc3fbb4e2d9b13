"""Samplers on a world where the right answer is known: the clean latents are one constant."""

import numpy as np
import pytest
import torch

from diffusers_webui import samplers, sigmas
from diffusers_webui.sigmas import NoiseTable
from diffusers_webui.walks import Road


@pytest.fixture(scope="module")
def table():
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return NoiseTable(torch.cumprod(1 - betas, 0).float())


def walk(sampler, scheduler, table, denoise, steps=12, eta=1.0):
    generator = torch.Generator().manual_seed(0)
    levels = sampler.levels(scheduler, steps, table)
    told = []
    road = Road(
        denoise,
        lambda: torch.randn(1, 4, 2, 2, generator=generator),
        lambda i, x: told.append(i),
        levels,
        eta,
        table,
    )
    return sampler.walk(torch.randn(1, 4, 2, 2, generator=generator) * levels[0], road), told


@pytest.mark.parametrize("scheduler", sigmas.ALL, ids=lambda one: one.name)
@pytest.mark.parametrize("sampler", samplers.ALL, ids=lambda one: one.name)
def test_every_sampler_arrives_with_every_scheduler(table, sampler, scheduler):
    arrived, told = walk(sampler, scheduler, table, lambda x, sigma: torch.full_like(x, 0.5))
    assert torch.isfinite(arrived).all()
    assert (arrived - 0.5).abs().max() < 0.2
    assert told == list(range(len(told))) and len(told) == 12


@pytest.mark.parametrize("scheduler", sigmas.ALL, ids=lambda one: one.name)
def test_levels_fall_from_the_noisiest_to_none(table, scheduler):
    levels = scheduler.levels(7, table)
    assert len(levels) == 8 and levels[-1] == 0 and (levels.diff() < 0).all()
    assert levels[0] == pytest.approx(table.greatest, rel=1e-4)


def test_timestep_and_sigma_are_each_others_way_back(table):
    for timestep in (0.0, 0.5, 500.25, 999.0):
        sigma = table.sigma(torch.tensor(timestep))
        assert float(table.timestep(sigma)) == pytest.approx(timestep, abs=0.01)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # diffusers' schedulers with numpy 2.4
@pytest.mark.parametrize(
    ("name", "make"),
    [
        (
            "Euler",
            lambda d: d.EulerDiscreteScheduler(
                timestep_spacing="linspace",
                beta_schedule="scaled_linear",
                beta_start=0.00085,
                beta_end=0.012,
                interpolation_type="linear",
            ),
        ),
        (
            "DPM++ 2M",
            lambda d: d.DPMSolverMultistepScheduler(
                timestep_spacing="linspace",
                beta_schedule="scaled_linear",
                beta_start=0.00085,
                beta_end=0.012,
                use_karras_sigmas=True,
            ),
        ),
    ],
)
def test_it_walks_as_diffusers_does(table, name, make):
    """Same first noise, same guesses: the end must be the same."""
    import diffusers.schedulers as d

    sampler, scheduler = samplers.choose(name, None)
    theirs = make(d)
    theirs.set_timesteps(10)
    levels = sampler.levels(scheduler, 10, table)
    assert np.allclose(theirs.sigmas.numpy()[:10], levels.numpy()[:10], rtol=2e-2)
    start = torch.randn(1, 4, 2, 2, generator=torch.Generator().manual_seed(1))
    theirs.sigmas = levels

    def denoise(x, sigma):
        return x / (1 + sigma**2)  # a world of standard noise

    road = Road(denoise, lambda: start, lambda i, x: None, levels, 1.0, table)
    ours = sampler.walk(start * levels[0], road)
    kept_variance = name == "DPM++ 2M"
    x = start * levels[0] / ((1 + levels[0] ** 2) ** 0.5 if kept_variance else 1)
    for i, timestep in enumerate(theirs.timesteps):
        plain = x * ((1 + levels[i] ** 2) ** 0.5 if kept_variance else 1)
        x = theirs.step((plain - denoise(plain, levels[i])) / levels[i], timestep, x, return_dict=False)[0]
    assert torch.allclose(ours, x, atol=1e-3)


def test_ddim_without_eta_adds_no_noise(table):
    sampler, scheduler = samplers.choose("DDIM", None)
    first, _ = walk(sampler, scheduler, table, lambda x, sigma: x / (1 + sigma**2), eta=0.0)
    second, _ = walk(sampler, scheduler, table, lambda x, sigma: x / (1 + sigma**2), eta=0.0)
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("asked", "scheduler", "given"),
    [
        ("Euler", None, ("Euler", "Automatic")),
        ("NoSuch", None, ("DPM++ 2M", "Automatic")),
        ("k_euler_a", None, ("DPM++ 2M", "Automatic")),
        ("DPM++ 2M Karras", None, ("DPM++ 2M", "Automatic")),
        ("DPM++ 2M SDE Karras", None, ("DPM++ 2M SDE", "Karras")),
        ("Euler a", "karras", ("Euler a", "Karras")),
        ("Euler", "NoSuch", ("Euler", "Automatic")),
        (None, "SGM Uniform", ("DPM++ 2M", "SGM Uniform")),
    ],
)
def test_unknown_names_become_something_else_silently(asked, scheduler, given):
    sampler, chosen = samplers.choose(asked, scheduler)
    assert (sampler.name, chosen.label) == given
