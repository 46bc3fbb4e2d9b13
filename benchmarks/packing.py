"""The packer beside tar, pigz, cp and openssl, over 2 GB of weights that lie in the page cache.

Each figure that is compared is printed. What takes a few seconds is measured three times, in turn with what
it is compared with, and the fastest counts; gzip is measured once, over a tenth of the weights.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.weights_tree import write_headers, write_tree
from webui_async.packager.archive import write_archive_file
from webui_async.packager.check import check_tree

ROUNDS = 3
PACK_S, COPY_S = "pack", "cp_and_openssl"
_MEMORY = """
import sys
from pathlib import Path
from webui_async.packager.archive import write_archive_file
from webui_async.packager.check import check_tree
write_archive_file(check_tree(Path(sys.argv[1])).members, Path(sys.argv[2]))
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        whole, part, many, out = (Path(folder, name) for name in ("whole", "part", "many", "out"))
        write_tree(whole, checkpoints=2, checkpoint_mb=800, loras=8, lora_mb=50)
        write_tree(part, checkpoints=1, checkpoint_mb=160, loras=2, lora_mb=20)
        write_headers(many, checkpoints=10, loras=90)
        out.mkdir()
        yield from _pack_figures(whole, part, out)
        yield from _unpack_figures(part, out)
        yield from _check_figures(whole, many)


def _pack_figures(whole: Path, part: Path, out: Path) -> Iterator[Figure]:
    archive, copy = out / "model.tar.gz", out / "copy"
    files = " ".join(f"'{path}'" for path in _files(whole))
    seconds = _fastest(
        {
            PACK_S: lambda: write_archive_file(check_tree(whole).members, archive),
            COPY_S: lambda: _shell(f"cp -r {whole} {copy} && openssl dgst -sha256 {files}"),
        },
        after=lambda: _remove(archive, copy),
    )
    ours, copied = (_size(whole) / seconds[name] / 1e6 for name in (PACK_S, COPY_S))
    yield Figure("packing.pack", ours, "MB/s")
    yield Figure("packing.cp_and_openssl", copied, "MB/s")
    yield Figure("packing.pack_to_cp_and_openssl", ours / copied, "x", 0.6, at_least=True)
    gzipped = _size(part) / _seconds(lambda: _shell(f"tar zcf {archive} -C {part} .")) / 1e6
    yield Figure("packing.tar_zcf_of_200_mb", gzipped, "MB/s")
    yield Figure("packing.pack_to_tar_zcf", ours / gzipped, "x", 40, at_least=True)
    if shutil.which("pigz") is None:
        print(
            "packing: pigz is not installed, so there is no figure of it: apt-get install pigz",
            file=sys.stderr,
        )
    else:
        parallel = _size(part) / _seconds(lambda: _shell(f"tar cf - -C {part} . | pigz > {archive}")) / 1e6
        yield Figure("packing.tar_pigz_of_200_mb", parallel, "MB/s")
        yield Figure("packing.pack_to_tar_pigz", ours / parallel, "x", 8, at_least=True)
    archive.unlink()
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, whole, archive], check=True, capture_output=True, text=True
    )
    yield Figure("packing.memory", int(done.stdout) * 1024 / 1e6, "MB", 200)
    archive.unlink()


def _unpack_figures(part: Path, out: Path) -> Iterator[Figure]:
    members = check_tree(part).members
    stored, deflated, unpacked = out / "stored.tar.gz", out / "deflated.tar.gz", out / "unpacked"
    write_archive_file(members, stored)
    write_archive_file(members, deflated, compress=True)

    def unpack(archive: Path) -> None:
        unpacked.mkdir()
        _shell(f"tar xzf {archive} -C {unpacked}")

    seconds = _fastest(
        {"stored": lambda: unpack(stored), "deflated": lambda: unpack(deflated)},
        after=lambda: _remove(unpacked),
    )
    for name, archive in (("stored", stored), ("deflated", deflated)):
        yield Figure(f"packing.tar_xzf_{name}", _size(part) / seconds[name] / 1e6, "MB/s")
        yield Figure(f"packing.size_{name}", archive.stat().st_size / _size(part), "x")
    yield Figure("packing.tar_xzf_gain", seconds["deflated"] / seconds["stored"], "x", 1.5, at_least=True)


def _check_figures(whole: Path, many: Path) -> Iterator[Figure]:
    files = "\\n".join(str(path) for path in _files(whole))
    seconds = _fastest(
        {
            "check": lambda: check_tree(whole, hashes=True),
            "openssl": lambda: _shell(f"printf '{files}\\n' | xargs -n 1 -P 2 openssl dgst -sha256"),
        }
    )
    yield Figure("packing.check_with_hashes", seconds["check"], "s")
    yield Figure("packing.openssl_two_at_a_time", seconds["openssl"], "s")
    yield Figure("packing.check_to_openssl", seconds["check"] / seconds["openssl"], "x", 1.2)
    seconds = _fastest({"check": lambda: check_tree(many)}, rounds=10)
    yield Figure("packing.check_100_files", seconds["check"], "s", 0.2)


def _fastest(
    actions: Mapping[str, Callable[[], object]],
    after: Callable[[], None] = lambda: None,
    rounds: int = ROUNDS,
) -> dict[str, float]:
    """Seconds of each action's fastest round."""
    seconds = dict.fromkeys(actions, float("inf"))
    for _ in range(rounds):
        for name, action in actions.items():
            seconds[name] = min(seconds[name], _seconds(action))
            after()
    return seconds


def _seconds(action: Callable[[], object]) -> float:
    os.sync()  # what others left to be written is not ours
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _shell(command: str) -> None:
    subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], check=True, stdout=subprocess.DEVNULL)


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def _size(root: Path) -> int:
    return sum(path.stat().st_size for path in _files(root))


def _remove(*paths: Path) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
