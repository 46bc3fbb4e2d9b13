"""What python -m painter.train is told."""

from pathlib import Path

from painter.training.options import TINY, Options, parse_options


def test_without_arguments_the_first_trainings_values_hold():
    assert parse_options([]) == Options()


def test_tiny_changes_the_defaults_and_not_what_is_given():
    options = parse_options(["--tiny", "--slot", "2", "--out", "here"])
    assert options.slot == 2 and options.out == Path("here")
    assert options.store == TINY["store"] and options.max_steps == TINY["max_steps"]


def test_a_training_can_go_on_from_a_checkpoint():
    options = parse_options(["--init", "a.safetensors", "--lr", "4e-4", "--no-compile"])
    assert options.init == Path("a.safetensors") and options.lr == 4e-4 and options.no_compile
