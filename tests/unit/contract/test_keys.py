"""Every key, and the way back from it."""

from __future__ import annotations

import os
import uuid

import pytest

from webui_async.contract import keys

JOB_ID = "01948f3e-7a10-7cc1-9b5e-3f0a6c2d8e41"
OWNER = "a1b2c3d4e5"


def test_a_job_id_is_a_uuid_of_version_7() -> None:
    job_id = keys.new_job_id(1_700_000_000.123, os.urandom(10))
    parsed = uuid.UUID(job_id)
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert keys.is_job_id(job_id)
    assert keys.created_ms(job_id) == 1_700_000_000_123


def test_job_ids_sort_by_time() -> None:
    ids = [
        keys.new_job_id(1_700_000_000 + i / 1000, b"\xff" * 10 if i % 2 else bytes(10)) for i in range(100)
    ]
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "j-7",
        JOB_ID.upper(),
        JOB_ID + "\n",
        JOB_ID[:-1],
        JOB_ID.replace("-7cc1", "-4cc1"),
        f"../{JOB_ID}",
        f"{JOB_ID}/x",
    ],
)
def test_what_is_no_job_id_in_our_form_is_none(text: str) -> None:
    assert not keys.is_job_id(text)


@pytest.mark.parametrize(
    "make",
    [
        keys.request,
        keys.progress,
        keys.result,
        keys.reply,
        keys.cancel,
        keys.deleted,
        keys.callback,
        lambda job_id: keys.queued(job_id, 3),
        lambda job_id: keys.released(job_id, 3),
        lambda job_id: keys.picture(job_id, "0a1b2c3d", 0, "png"),
        lambda job_id: keys.active(job_id, OWNER),
        lambda job_id: keys.index(job_id, OWNER),
        lambda job_id: keys.index_status(job_id, OWNER, "txt2img", "failed"),
    ],
)
def test_every_key_of_a_job_leads_back_to_it(make: object) -> None:
    assert callable(make)
    assert keys.job_id_of(make(JOB_ID)) == JOB_ID


@pytest.mark.parametrize(
    "key",
    [
        "",
        "jobs/",
        f"jobs/{JOB_ID}",
        "jobs/j-7/result.json",
        keys.upload(OWNER, "0" * 32),
        keys.catalog("e"),
        f"x/{JOB_ID}",
    ],
)
def test_other_keys_lead_to_no_job(key: str) -> None:
    assert keys.job_id_of(key) is None


def test_an_attempts_key_says_which() -> None:
    assert keys.attempt_of(keys.queued(JOB_ID, 12)) == 12
    assert keys.attempt_of(keys.released(JOB_ID, 1)) == 1
    assert keys.attempt_of(keys.result(JOB_ID)) is None
    assert keys.attempt_of("attempts/1/queued.json") is None


def test_an_active_key_says_job_and_owner() -> None:
    assert keys.parse_active(keys.active(JOB_ID, OWNER)) == keys.ActiveKey(JOB_ID, OWNER)
    for key in ("active/", f"active/{JOB_ID}", f"active/{JOB_ID}.", "active/j-7.owner"):
        assert keys.parse_active(key) is None


def test_an_index_key_says_job_kind_and_status() -> None:
    assert keys.parse_index(keys.index(JOB_ID, OWNER)) == keys.IndexKey(JOB_ID, None, None)
    ended = keys.index_status(JOB_ID, OWNER, "extra-single-image", "succeeded")
    assert keys.parse_index(ended) == keys.IndexKey(JOB_ID, "extra-single-image", "succeeded")
    for key in ("index/", "index/o/x", keys.index(JOB_ID, OWNER) + ".txt2img", ended + ".more"):
        assert keys.parse_index(key) is None


def test_index_keys_sort_newest_first() -> None:
    ids = [keys.new_job_id(1_700_000_000 + i, bytes(10)) for i in range(3)]
    assert sorted(keys.index(job_id, OWNER) for job_id in ids) == [
        keys.index(job_id, OWNER) for job_id in reversed(ids)
    ]


def test_the_entry_that_knows_the_ending_comes_right_after_the_other() -> None:
    plain, ended = keys.index(JOB_ID, OWNER), keys.index_status(JOB_ID, OWNER, "txt2img", "failed")
    assert plain < ended < f"{plain}/"


def test_an_idempotency_key_may_hold_anything() -> None:
    key = keys.idempotency(OWNER, "../../jobs/x é")
    assert key.startswith(f"idempotency/{OWNER}/")
    assert key.count("/") == 2


def test_a_model_key_leads_back_to_its_folder_and_file() -> None:
    key = keys.model("Lora", "ink v2.safetensors")
    assert keys.parse_model(key) == keys.ModelKey("Lora", "ink v2.safetensors")


@pytest.mark.parametrize(
    "key",
    [
        "models/ink.safetensors",
        "models/Lora/",
        "models//ink",
        "models/Lora/a/b",
        "packs/Lora/ink",
        "models",
        "",
    ],
)
def test_what_does_not_lie_right_in_a_folder_is_no_model_key(key: str) -> None:
    assert keys.parse_model(key) is None
