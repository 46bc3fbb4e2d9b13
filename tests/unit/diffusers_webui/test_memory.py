import pytest

from diffusers_webui import memory
from diffusers_webui.errors import OutOfMemory


@pytest.mark.parametrize(
    ("side", "batch_size", "measured_mb"),
    [(512, 1, 432), (1024, 1, 1556), (1536, 1, 3166), (256, 8, 168)],
)
def test_the_bound_is_above_what_the_demo_model_took(side, batch_size, measured_mb):
    """Growth of the process while the demo model drew one step, torch 2.13, 2 CPU cores, fp32."""
    bound = memory.drawing_bytes(side, side, batch_size, texts=2, unet_channels=96, vae_channels=64) / 1e6
    assert measured_mb < bound < 3 * measured_mb


def test_cuda_memory_has_the_stock_webuis_groups():
    stats = {"allocated_bytes.all.current": 5, "allocated_bytes.all.peak": 9, "num_ooms": 2}
    report = memory.cuda_report(stats, free=30, total=100)
    assert report["system"] == {"free": 30, "used": 70, "total": 100}
    assert report["allocated"] == {"current": 5, "peak": 9}
    assert report["events"] == {"retries": 0, "oom": 2}
    assert report.keys() == {"system", "active", "allocated", "reserved", "inactive", "events"}


def test_what_does_not_fit_is_refused_with_the_allocators_words():
    with pytest.raises(OutOfMemory, match="you tried to allocate 2000 bytes"):
        memory.refuse_unless_it_fits(2000, available_bytes=1000)
    memory.refuse_unless_it_fits(800, available_bytes=1000)
