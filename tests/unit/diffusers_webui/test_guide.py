"""What the UNet is asked, with a UNet that answers with its text."""

from types import SimpleNamespace

import pytest
import torch

from diffusers_webui.errors import Stopped
from diffusers_webui.guide import Guide, Relief
from diffusers_webui.sigmas import NoiseTable
from diffusers_webui.state import State
from diffusers_webui.text import Text
from diffusers_webui.voice import Timeline, Voice


class UNet:
    """Noise is everywhere the mean of the text; it notes what it was asked."""

    def __init__(self):
        self.batches = []

    def __call__(self, scaled, timestep, encoder_hidden_states, return_dict):
        self.batches.append(len(scaled))
        return (encoder_hidden_states.mean(dim=(1, 2))[:, None, None, None].expand_as(scaled),)


@pytest.fixture(scope="module")
def table():
    return NoiseTable(torch.linspace(0.999, 0.01, 1000))


@pytest.fixture
def model():
    return SimpleNamespace(unet=UNet(), dtype=torch.float32, is_v_prediction=False)


def says(value, length=77):
    return Text(torch.full((1, length, 4), float(value)))


def always(value, length=77):
    return Timeline([(10, says(value, length))])


def guide(voice, table, cfg_scale=7.0, **more):
    return Guide(voice, table, cfg_scale, State(), **more)


def noise_of(guide, sigma=2.0, batch=1):
    x = torch.zeros(batch, 4, 2, 2)
    return round(float(-guide(x, torch.tensor(sigma)).mean() / sigma), 4)


def test_the_answer_is_pulled_from_the_negative_prompt_towards_the_prompt(model, table):
    assert noise_of(guide(Voice(model, [(always(2), 1.0)], always(1)), table)) == 1 + 7 * (2 - 1)


def test_parts_pull_with_their_weights_in_one_go(model, table):
    voice = Voice(model, [(always(2), 1.0), (always(4), 0.5), (always(3), -1.0)], always(1))
    assert noise_of(guide(voice, table, 2.0), batch=2) == 1 + 2 * ((2 - 1) + 0.5 * (4 - 1) - (3 - 1))
    assert model.unet.batches == [8]


def test_prompts_of_different_length_are_asked_apart(model, table):
    assert noise_of(guide(Voice(model, [(always(2, 154), 1.0)], always(1)), table)) == 8
    assert model.unet.batches == [1, 1]


def test_without_a_negative_prompt_the_parts_share_the_say(model, table):
    assert noise_of(guide(Voice(model, [(always(2), 1.0)], None), table)) == 2
    assert noise_of(guide(Voice(model, [(always(2), 1.0), (always(5), 2.0)], None), table)) == 4


def test_a_text_holds_until_its_last_call(model, table):
    changing = Timeline([(2, says(1)), (10, says(5))])
    told = guide(Voice(model, [(changing, 1.0)], None), table)
    assert [noise_of(told) for _ in range(5)] == [1, 1, 1, 5, 5]


def test_another_model_takes_over_when_its_share_is_reached(model, table):
    helper = SimpleNamespace(unet=UNet(), dtype=torch.float32, is_v_prediction=False)
    relief = Relief(Voice(helper, [(always(9), 1.0)], None), switch_at=0.5)
    told = guide(Voice(model, [(always(1), 1.0)], None), table, relief=relief)
    levels = [float(table.sigma(torch.tensor(float(step)))) for step in (900, 600, 480, 200)]
    assert [noise_of(told, level) for level in levels] == [1, 1, 9, 9]


def test_below_s_min_uncond_every_other_call_leaves_the_negative_prompt_out(model, table):
    told = guide(Voice(model, [(always(2), 1.0)], always(1)), table, quiet_below=1.0)
    assert [noise_of(told, sigma) for sigma in (2.0, 1.5, 0.5, 0.5)] == [8, 8, 8, 2]


def test_an_interrupt_ends_it_before_the_next_call(model, table):
    told = guide(Voice(model, [(always(2), 1.0)], None), table)
    told.state.interrupted = True
    with pytest.raises(Stopped):
        noise_of(told)
    assert model.unet.batches == []
