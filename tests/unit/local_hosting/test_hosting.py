"""Endpoints of the control plane become processes, and their instances are kept alive."""

from __future__ import annotations

import io
import os
import signal
import tarfile
import time
from typing import Any

import psutil
import pytest

from webui_async.local.errors import EndpointFailed
from webui_async.local.instance import Health, Timing


def pack(**files: str) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return data.getvalue()


def test_an_endpoint_created_on_the_control_plane_gets_its_instances(world: Any) -> None:
    world.host()
    world.create_endpoint(count=2)
    world.hosting.wait_in_service("sd", 10)
    views = world.hosting.instances("sd")
    assert [view.id for view in views] == ["sd-1", "sd-2"]
    assert all(psutil.pid_exists(view.pid) for view in views)


def test_a_container_has_the_environment_that_sagemaker_gives_and_no_more(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_STACK", "x")
    world.host(environment={"PATH": "/usr/bin"})
    world.create_endpoint(environment={"WEBUI_ASYNC_BUCKET": "art"})
    seen = world.draw({})
    environment = seen["environment"]
    assert seen["arguments"] == ["serve"]
    assert set(environment) - {"WEBUI_ASYNC_ENGINE_UID", "LC_CTYPE"} == {
        *("PATH", "HOME", "TMPDIR", "AWS_REGION", "AWS_ENDPOINT_URL"),
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("WEBUI_ASYNC_BUCKET", "WEBUI_ASYNC_INSTANCE", "WEBUI_ASYNC_HOST", "WEBUI_ASYNC_PORT"),
        *("WEBUI_ASYNC_ENGINE_PORT", "WEBUI_ASYNC_MODEL_DIR", "WEBUI_ASYNC_DATA_DIR"),
        "WEBUI_ASYNC_FETCHED_DIR",
    }
    assert environment["WEBUI_ASYNC_INSTANCE"] == "sd-1"
    assert environment["AWS_ACCESS_KEY_ID"] not in ("testing", "admin")


def test_instances_share_one_read_only_copy_of_the_model_pack(world: Any) -> None:
    world.s3.put_object(Bucket="art", Key="packs/ink/1.tar.gz", Body=pack(**{"ink.safetensors": "weights"}))
    world.host()
    world.create_endpoint(ModelDataUrl="s3://art/packs/ink/1.tar.gz")
    seen = world.draw({})
    assert seen["model_files"] == ["ink.safetensors"]
    (model,) = (world.work_dir / "packs").glob("*/ink.safetensors")
    assert model.stat().st_mode & 0o777 == 0o444


def s3_source(uri: str, kind: str, compression: str) -> dict[str, Any]:
    """A Model's ModelDataSource."""
    return {"S3DataSource": {"S3Uri": uri, "S3DataType": kind, "CompressionType": compression}}


@pytest.mark.parametrize(
    ("key", "uri", "kind", "compression"),
    [
        ("packs/ink/1/ink.safetensors", "s3://art/packs/ink/1/", "S3Prefix", "None"),
        ("packs/ink/1.tar.gz", "s3://art/packs/ink/1.tar.gz", "S3Object", "Gzip"),
    ],
)
def test_a_model_pack_comes_from_a_source_in_either_form(
    world: Any, key: str, uri: str, kind: str, compression: str
) -> None:
    body = b"weights" if kind == "S3Prefix" else pack(**{"ink.safetensors": "weights"})
    world.s3.put_object(Bucket="art", Key=key, Body=body)
    world.host()
    world.create_endpoint(ModelDataSource=s3_source(uri, kind, compression))
    assert world.draw({})["model_files"] == ["ink.safetensors"]
    (model,) = (world.work_dir / "packs").glob("*/ink.safetensors")
    assert model.read_bytes() == b"weights"


@pytest.mark.parametrize(
    ("uri", "kind", "compression"),
    [
        ("s3://art/packs/ink/1", "S3Prefix", "None"),
        ("s3://art/packs/ink/1/", "S3Prefix", "Gzip"),
        ("s3://art/packs/ink/1/", "S3Object", "Gzip"),
        ("s3://art/packs/ink/1.tar.gz", "S3Object", "None"),
    ],
)
def test_a_source_that_sagemaker_would_not_take_is_named(
    world: Any, uri: str, kind: str, compression: str
) -> None:
    world.host()
    world.create_endpoint(ModelDataSource=s3_source(uri, kind, compression))
    with pytest.raises(EndpointFailed, match=f"{uri} as {kind} and {compression}"):
        world.hosting.wait_in_service("sd", 10)


def test_a_pack_that_is_not_there_is_named(world: Any) -> None:
    world.host()
    world.create_endpoint(ModelDataUrl="s3://art/packs/none.tar.gz")
    with pytest.raises(EndpointFailed, match=r"cannot read s3://art/packs/none.tar.gz"):
        world.hosting.wait_in_service("sd", 10)


def test_an_instance_whose_process_dies_is_replaced(world: Any, until: Any) -> None:
    world.host()
    world.create_endpoint()
    world.hosting.wait_in_service("sd", 10)
    os.kill(world.instance().pid, signal.SIGKILL)
    until(lambda: [view.id for view in world.hosting.instances("sd")] == ["sd-2"])
    assert world.draw({})["environment"]["WEBUI_ASYNC_INSTANCE"] == "sd-2"


def test_an_instance_that_fails_its_pings_is_replaced(world: Any, until: Any) -> None:
    world.host()
    world.create_endpoint()
    pid = world.draw({"fall_ill": True})["pid"]
    until(lambda: not psutil.pid_exists(pid))
    assert world.draw({})["pid"] != pid


def test_a_container_that_cannot_start_fails_its_endpoint_with_its_last_words(world: Any) -> None:
    world.host()
    world.create_endpoint(environment={"FAKE_STARTS": "never"})
    with pytest.raises(EndpointFailed, match=r"exited with code 1; .*'the checkpoint is corrupt'"):
        world.hosting.wait_in_service("sd", 10)


def test_a_container_whose_engine_is_broken_for_good_is_not_waited_for(world: Any) -> None:
    world.host()
    world.create_endpoint(environment={"FAKE_STARTS": "broken"})
    with pytest.raises(EndpointFailed, match=r'sd-1 says {"engine": "broken"}; .* ends with \'listening\''):
        world.hosting.wait_in_service("sd", 10)


def test_a_container_that_is_not_well_when_its_time_to_start_is_over_is_replaced(
    world: Any, until: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("webui_async.local.endpoint_spec.DEFAULT_STARTUP_S", 0.3)
    world.host()
    world.create_endpoint(environment={"FAKE_STARTS": "broken"})
    until(lambda: [view.id for view in world.hosting.instances("sd")] == ["sd-2"])
    assert "instance sd-1 was lost: no good /ping in its first 0.3 s" in caplog.text


def test_waiting_for_a_container_that_says_nothing_ends_on_time(world: Any) -> None:
    world.host()
    with pytest.raises(EndpointFailed, match=r"no instance in service after 0\.1 s; see no instance at all"):
        world.hosting.wait_in_service("nobody", 0.1)


def test_a_container_that_cannot_start_again_is_tried_ever_more_seldom(world: Any) -> None:
    world.host()
    world.create_endpoint(environment={"FAKE_STARTS": f"once:{world.work_dir / 'started'}"})
    world.hosting.wait_in_service("sd", 10)
    os.kill(world.instance().pid, signal.SIGKILL)
    time.sleep(1.5)  # at once, at once, after 1 s, after 2 s
    assert 3 <= int(world.instance().id.removeprefix("sd-")) <= 5
    assert world.described()["EndpointStatus"] == "InService"


def test_capacity_goes_up_and_down_over_the_control_plane(world: Any, until: Any) -> None:
    world.host()
    world.create_endpoint()
    world.hosting.wait_in_service("sd", 10)
    world.hosting.set_capacity("sd", 3)
    until(lambda: [v.health for v in world.hosting.instances("sd")] == [Health.IN_SERVICE] * 3)
    world.hosting.set_capacity("sd", 1)
    until(lambda: [view.id for view in world.hosting.instances("sd")] == ["sd-1"])


def test_capacity_of_an_unknown_endpoint_is_refused(world: Any) -> None:
    world.host()
    with pytest.raises(EndpointFailed, match="endpoint 'nobody' cannot have 2 instances"):
        world.hosting.set_capacity("nobody", 2)


def test_invocations_wait_while_there_is_no_instance(world: Any, until: Any) -> None:
    world.host()
    world.create_endpoint()
    world.hosting.wait_in_service("sd", 10)
    world.hosting.set_capacity("sd", 0)
    until(lambda: not world.hosting.instances("sd"))
    world.invoke({}, InferenceId="patient")
    world.hosting.set_capacity("sd", 1)
    assert world.messages(1)[0]["inferenceId"] == "patient"


def test_a_deleted_endpoint_loses_its_instances_and_its_name(world: Any, until: Any) -> None:
    world.host()
    world.create_endpoint()
    world.hosting.wait_in_service("sd", 10)
    pid = world.instance().pid
    world.sagemaker.delete_endpoint(EndpointName="sd")
    until(lambda: not psutil.pid_exists(pid))
    with pytest.raises(world.runtime.exceptions.ValidationError, match="Endpoint sd of account"):
        world.invoke({})


def test_an_endpoint_made_anew_under_the_same_name_has_new_instances(world: Any, until: Any) -> None:
    world.host()
    world.create_endpoint()
    pid = world.draw({})["pid"]
    world.wait_for("InService")
    world.sagemaker.delete_endpoint(EndpointName="sd")
    time.sleep(0.002)  # CreationTime has milliseconds
    world.sagemaker.create_endpoint(EndpointName="sd", EndpointConfigName="sd")
    until(lambda: not psutil.pid_exists(pid))
    assert world.draw({})["pid"] != pid


def test_stop_ends_everything_that_an_instance_started(world: Any) -> None:
    world.host()
    world.create_endpoint()
    seen = world.draw({"child": None})
    world.hosting.stop()
    assert not psutil.pid_exists(seen["pid"])
    assert not _is_alive(seen["order"]["child"])
    assert [path.name for path in (world.work_dir / "instances" / "sd-1").iterdir()] == ["log"]


def test_an_instance_that_ignores_sigterm_is_killed(world: Any) -> None:
    world.host(timing=Timing(first_ping_s=0.02, stop_s=0.3))
    world.create_endpoint(environment={"FAKE_SIGTERM": "ignored"})
    pid = world.draw({})["pid"]
    world.hosting.stop()
    assert not psutil.pid_exists(pid)


def test_the_hosting_outlives_a_control_plane_that_does_not_answer(
    world: Any, until: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hosting = world.host()
    with monkeypatch.context() as patched:
        patched.setattr(hosting._sagemaker.meta.events, "emit_until_response", _refuse)
        until(lambda: "the control plane does not answer" in caplog.text)
    world.create_endpoint()
    hosting.wait_in_service("sd", 10)


def _refuse(*_: object, **__: object) -> None:
    from botocore.exceptions import EndpointConnectionError

    raise EndpointConnectionError(endpoint_url="http://nowhere")


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
