"""`webui-async models` as one types it, against moto's server behind our authority."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cutting_proxy import CuttingProxy
from tests.unit.model_files.weights import SD1_LORA
from tests.unit.packager.random_trees import CHECKPOINT, files_of, write_model, write_tree
from webui_async.cli.models import ending_at_once
from webui_async.contract import keys
from webui_async.local.control_plane import REGION, ControlPlane, Credentials
from webui_async.store import Store

ROOT = Path(__file__).resolve().parents[2]
#: Every AWS request that the command makes is held against botocore's service model.
MAIN = (
    "import sys; from webui_async.local.checked import check_requests; check_requests();"
    "from webui_async.cli import main; sys.exit(main())"
)
BUCKET = "art"
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    plane = ControlPlane.start(tmp_path_factory.mktemp("plane"))
    try:
        yield plane
    finally:
        plane.stop()


@pytest.fixture
def store(plane: ControlPlane) -> Iterator[Store]:
    """An empty bucket."""
    s3 = plane.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    store = Store(s3, BUCKET)
    yield store
    for upload in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ()):
        s3.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
    for entry in store.list(""):
        store.delete(entry.key)
    s3.delete_bucket(Bucket=BUCKET)


def environment(
    plane: ControlPlane, keys: Credentials | None = None, url: str | None = None
) -> dict[str, str]:
    aws = {"AWS_ENDPOINT_URL": url or plane.endpoint_url, "AWS_REGION": REGION}
    return dict(os.environ) | aws | (keys or plane.admin).environment() | {"PYTHONPATH": str(ROOT)}


@pytest.fixture
def models(plane: ControlPlane, store: Store) -> Command:
    """models(*words) -> the command's end, and it never ends with a traceback."""

    def models(
        *words: object, keys: Credentials | None = None, url: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-c", MAIN, "models", *map(str, words)],
            env=environment(plane, keys, url),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return models


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def error(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence that a command which failed leaves."""
    assert done.returncode == 1, done
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("webui-async: ")]
    return line


def test_a_new_tree_is_filled_checked_pushed_and_listed(
    tmp_path: Path, models: Command, store: Store
) -> None:
    root = tmp_path / "tree"
    assert models("new", root).returncode == 0
    assert "holds no good checkpoint" in models("check", root, "--no-hashes").stdout
    assert models("check", root).returncode == 1
    write_tree(root, loras=1)
    checked = models("check", root)
    assert checked.returncode == 0 and "SD1" in checked.stdout
    uri = last_line(models("push", root, f"s3://{BUCKET}/packs/ink"))
    assert re.fullmatch(rf"s3://{BUCKET}/packs/ink/[0-9a-f]{{12}}/", uri)
    assert (
        store.get_bytes(uri.removeprefix(f"s3://{BUCKET}/") + CHECKPOINT) == (root / CHECKPOINT).read_bytes()
    )
    again = models("push", root, f"s3://{BUCKET}/packs/ink")
    assert last_line(again) == uri and "nothing to do" in again.stdout
    assert uri in models("list", "--bucket", f"s3://{BUCKET}").stdout


def test_an_archive_in_a_file_and_one_on_s3_are_the_same(
    tmp_path: Path, models: Command, store: Store
) -> None:
    root = write_tree(tmp_path / "tree", loras=1)
    assert last_line(models("pack", root, tmp_path / "model.tar.gz")) == str(tmp_path / "model.tar.gz")
    uri = last_line(models("push", root, f"s3://{BUCKET}/packs/ink", "--form", "tar.gz"))
    assert uri.endswith("/model.tar.gz")
    assert store.get_bytes(uri.removeprefix(f"s3://{BUCKET}/")) == (tmp_path / "model.tar.gz").read_bytes()
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "xzf", tmp_path / "model.tar.gz", "-C", tmp_path / "out"], check=True)
    (tmp_path / "out" / "manifest.json").unlink()
    assert files_of(tmp_path / "out") == files_of(root)


def test_a_bad_tree_is_refused_with_the_files_name(tmp_path: Path, models: Command, store: Store) -> None:
    root = write_tree(tmp_path)
    os.truncate(root / CHECKPOINT, 1000)
    assert CHECKPOINT in error(models("push", root, f"s3://{BUCKET}/packs/ink"))
    assert list(store.list("")) == []


def test_a_push_that_a_cut_connection_ended_goes_on(
    tmp_path: Path, models: Command, plane: ControlPlane, store: Store
) -> None:
    root = write_tree(tmp_path)
    for number in range(6):
        write_model(root / f"Lora/style-{number}.safetensors", SD1_LORA, more_numbers=1_000_000 + number)
    total = sum(path.stat().st_size for path in root.rglob("*.safetensors"))
    with CuttingProxy(plane.endpoint_url, limit_bytes=total // 2) as proxy:
        line = error(models("push", root, f"s3://{BUCKET}/packs/ink", url=proxy.url))
    assert "connection to S3 failed" in line and "Run the same command again" in line
    arrived = list(store.list("packs/"))
    assert arrived and not any(entry.key.endswith("manifest.json") for entry in arrived)
    with CuttingProxy(plane.endpoint_url, limit_bytes=None) as proxy:
        uri = last_line(models("push", root, f"s3://{BUCKET}/packs/ink", url=proxy.url))
    assert proxy.passed_bytes < total - sum(entry.size for entry in arrived) + 100_000
    assert store.exists(uri.removeprefix(f"s3://{BUCKET}/") + "manifest.json")


def test_ctrl_c_ends_a_push_at_once_though_the_network_is_dumb(
    tmp_path: Path, plane: ControlPlane, store: Store
) -> None:
    root = write_tree(tmp_path, checkpoint_numbers=10_000_000)
    command = [sys.executable, "-c", MAIN, "models", "push", root, f"s3://{BUCKET}/packs/ink"]
    with (
        CuttingProxy(plane.endpoint_url, limit_bytes=5_000_000, is_dumb=True) as proxy,
        subprocess.Popen(
            command, env=environment(plane, url=proxy.url), stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        assert proxy.is_over.wait(60)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    assert process.returncode == 130 and "Run the same command again" in said and "Traceback" not in said
    assert not any(entry.key.endswith("manifest.json") for entry in store.list(""))


#: Ctrl-C while the main thread cannot be interrupted, so that the kernel has to pick another one.
INTERRUPTED_ELSEWHERE = """
import os, signal, threading
from webui_async.cli.models import ending_at_once

def interrupt():
    is_blocked.wait()
    os.kill(os.getpid(), signal.SIGINT)

is_blocked = threading.Event()
with ending_at_once():
    threading.Thread(target=interrupt, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    is_blocked.set()
    threading.Event().wait()
"""


def test_ctrl_c_ends_a_push_whichever_thread_the_kernel_interrupts() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_ELSEWHERE],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 130 and "Run the same command again" in done.stderr


def test_ctrl_c_is_what_it_was_once_a_push_is_over() -> None:
    threads, handler = set(threading.enumerate()), signal.getsignal(signal.SIGINT)
    with ending_at_once():
        assert signal.getsignal(signal.SIGINT) != handler
    assert signal.getsignal(signal.SIGINT) == handler and set(threading.enumerate()) == threads
    assert signal.set_wakeup_fd(-1) == -1


def documented_policy(without: str | None = None) -> dict[str, Any]:
    """The policy of docs/models.md for the bucket, less one action."""
    text = (ROOT / "docs/models.md").read_text().partition("```json")[2].partition("```")[0]
    policy: dict[str, Any] = json.loads(text.replace("BUCKET", BUCKET))
    for statement in policy["Statement"]:
        statement["Action"] = [action for action in statement["Action"] if action != without]
    return policy


def operator(plane: ControlPlane, name: str, policy: dict[str, Any]) -> Credentials:
    """A new user with this policy and no other."""
    iam = plane.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def test_the_documented_permissions_are_enough(
    tmp_path: Path, models: Command, plane: ControlPlane, store: Store
) -> None:
    root, place = write_tree(tmp_path / "tree", checkpoint_numbers=10_000_000), ("--bucket", BUCKET)
    pusher = operator(plane, "pusher", documented_policy())
    store.put_json(keys.catalog("studio"), {})
    with CuttingProxy(plane.endpoint_url, limit_bytes=15_000_000) as proxy:
        assert "connection" in error(
            models("push", root, f"s3://{BUCKET}/packs/ink", keys=pusher, url=proxy.url)
        )
    last_line(models("push", root, f"s3://{BUCKET}/packs/ink", keys=pusher))
    lora = write_model(root / "Lora/ink.safetensors", SD1_LORA)
    assert "copied inside S3 20.5 MB" in models("push", root, f"s3://{BUCKET}/packs/ink", keys=pusher).stdout
    for words in (("add", lora), ("list",), ("remove", "ink")):
        last_line(models(*words, *place, keys=pusher))


@pytest.mark.parametrize("action", ["ListBucket", "ListBucketMultipartUploads", "PutObject"])
def test_a_missing_permission_is_named_with_its_resource(
    tmp_path: Path, models: Command, plane: ControlPlane, store: Store, action: str
) -> None:
    name = f"without-{action}"
    pusher = operator(plane, name, documented_policy(without=f"s3:{action}"))
    line = error(models("push", write_tree(tmp_path), f"s3://{BUCKET}/packs/ink", keys=pusher))
    assert f"grant s3:{action} on arn:aws:s3:::{BUCKET}" in line and f"user/{name}" in line


def test_what_is_wrong_with_bucket_place_or_credentials_is_told(
    tmp_path: Path, models: Command, plane: ControlPlane, store: Store
) -> None:
    root = write_tree(tmp_path)
    assert "no bucket 'arts'" in error(models("push", root, "s3://arts/packs/ink"))
    assert "s3://BUCKET/packs/NAME" in error(models("push", root, f"s3://{BUCKET}/ink"))
    nobody = Credentials("AKIANOBODY", "secret")
    assert "does not know these credentials" in error(
        models("push", root, f"s3://{BUCKET}/packs/ink", keys=nobody)
    )
    with CuttingProxy(plane.endpoint_url, limit_bytes=0) as proxy:
        line = error(models("list", "--bucket", BUCKET, url=proxy.url))
    assert "connection to S3 failed" in line


def test_a_lora_is_added_listed_replaced_and_removed(tmp_path: Path, models: Command, store: Store) -> None:
    catalog = {"loras": [{"name": "own", "alias": "own"}]}
    store.put_json(keys.catalog("studio"), catalog)
    lora = write_model(tmp_path / "ink.safetensors", SD1_LORA)
    place = ("--bucket", f"s3://{BUCKET}")
    added = models("add", lora, *place)
    assert added.stdout.splitlines() == [
        f"s3://{BUCKET}/models/Lora/ink.safetensors  LoRA, SD1, fp16",
        "listed by studio",
    ]
    listed = store.get_json(keys.catalog("studio"))
    assert listed is not None and [entry["name"] for entry in listed["loras"]] == ["own", "ink"]
    assert "Lora/ink.safetensors" in models("list", *place).stdout
    assert "was there already" in models("add", lora, *place).stdout
    write_model(lora, SD1_LORA, seed=1)
    assert "--replace" in error(models("add", lora, *place))
    assert models("add", lora, *place, "--replace").returncode == 0
    assert store.get_bytes("models/Lora/ink.safetensors") == lora.read_bytes()
    removed = models("remove", "ink", *place)
    assert removed.stdout.splitlines()[-1] == "taken off the list of studio"
    assert not store.exists("models/Lora/ink.safetensors")
    assert "there are none" in error(models("remove", "ink", *place))


def test_the_bucket_may_be_a_stacks(
    tmp_path: Path, models: Command, plane: ControlPlane, store: Store
) -> None:
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"BucketName": {"Value": BUCKET}},
    }
    plane.client("cloudformation").create_stack(StackName="house", TemplateBody=json.dumps(template))
    lora = write_model(tmp_path / "ink.safetensors", SD1_LORA)
    assert "models/Lora/ink.safetensors" in models("add", lora, "--stack", "house").stdout


def test_an_archive_that_cannot_be_written_is_told_with_its_place(tmp_path: Path, models: Command) -> None:
    root = write_tree(tmp_path / "tree")
    assert "cannot write" in error(models("pack", root, "/dev/full/model.tar.gz"))
