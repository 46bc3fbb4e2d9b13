"""The catalog in the bucket: the engine's lists, what can be fetched, and what is known of the files."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from serve.publishing import Publisher, described
from webui_async.contract.catalog import Facts, facts_of, weight_names
from webui_async.model_files.on_demand import ModelObject
from webui_async.store import Store

INK = Facts("SD1", "89abcdef0123", "01" * 32, on_demand=True)


def lora(name: str, facts: Facts = INK) -> ModelObject:
    return ModelObject("Lora", f"{name}.safetensors", 1000, 0, facts=facts)


def listing(*loras: str) -> dict[str, Any]:
    return {"loras": [{"name": name, "alias": name} for name in loras]}


class FakeFiles:
    """The files that the engine sees, by name."""

    def __init__(self, **known: Facts):
        self.known = known

    def facts_of(self, folder: str, name: str) -> Facts | None:
        return self.known.get(name) if folder == "Lora" else None


class FakeBucket(Store):
    """Keeps the catalogs that are written, and offers what `offers` gives."""

    def __init__(self, *offers: list[ModelObject]):
        self.offers, self.written = list(offers), list[dict[str, Any]]()

    async def offered(self) -> list[ModelObject]:
        return self.offers.pop(0) if len(self.offers) > 1 else self.offers[0]

    def put_json(self, key: str, document: dict[str, Any], if_absent: bool = False) -> bool:
        assert key == "catalog/ink.json" and not if_absent
        self.written.append(document)
        return True


def publish(bucket: FakeBucket, *catalogs: dict[str, Any], files: FakeFiles | None = None) -> None:
    async def scenario() -> None:
        publisher = Publisher(cast(Store, bucket), "ink", bucket, files or FakeFiles())
        await asyncio.gather(*(publisher.publish(catalog) for catalog in catalogs))

    asyncio.run(scenario())


def test_a_file_of_the_pack_has_what_the_tree_knows_of_it() -> None:
    facts = Facts("SDXL", "0123456789ab", "23" * 32)
    held = described(listing("boats"), [], FakeFiles(boats=facts))
    assert facts_of(held, "loras", "boats") == facts


def test_a_file_that_was_fetched_is_one_on_demand_as_before() -> None:
    fetched = FakeFiles(ink=Facts("SD1", on_demand=True))
    before, after = (
        described(listing(), [lora("ink")], FakeFiles()),
        described(listing("ink"), [lora("ink")], fetched),
    )
    assert facts_of(before, "loras", "ink") == facts_of(after, "loras", "ink") == INK
    assert weight_names(before, "loras") == weight_names(after, "loras") == ["ink"]


def test_the_family_of_a_fetched_file_is_what_its_tensors_say() -> None:
    noted = lora("ink", Facts("SDXL", on_demand=True))
    held = described(listing("ink"), [noted], FakeFiles(ink=Facts("SD1", on_demand=True)))
    assert facts_of(held, "loras", "ink").family == "SD1"


def test_a_file_of_the_pack_is_no_file_on_demand_though_the_bucket_has_its_name() -> None:
    held = described(listing("ink"), [lora("ink")], FakeFiles(ink=Facts("SD2")))
    assert facts_of(held, "loras", "ink") == Facts("SD2") and weight_names(held, "loras") == ["ink"]


def test_a_file_that_was_evicted_while_the_engine_still_lists_it_is_on_demand() -> None:
    held = described(listing("ink"), [lora("ink")], FakeFiles())
    assert facts_of(held, "loras", "ink") == INK


def test_a_file_that_was_fetched_and_then_removed_from_the_bucket_is_listed_no_more() -> None:
    held = described(listing("boats", "ink"), [], FakeFiles(ink=Facts(on_demand=True), boats=Facts()))
    assert weight_names(held, "loras") == ["boats"] and "ink" not in str(held)


def test_a_file_that_nobody_knows_is_listed_without_facts() -> None:
    assert facts_of(described(listing("own"), [], FakeFiles()), "loras", "own") == Facts()


def test_a_catalog_is_written_once_when_nothing_changes_meanwhile() -> None:
    bucket = FakeBucket([lora("ink")])
    publish(bucket, listing())
    assert [weight_names(held, "loras") for held in bucket.written] == [["ink"]]


def test_a_model_that_is_added_while_the_catalog_is_written_is_in_the_next_one() -> None:
    bucket = FakeBucket([], [lora("ink")])
    publish(bucket, listing())
    assert [weight_names(held, "loras") for held in bucket.written] == [[], ["ink"]]


def test_models_that_are_added_all_the_time_do_not_keep_a_catalog_from_its_end() -> None:
    bucket = FakeBucket(*([lora(str(number))] for number in range(10)))
    publish(bucket, listing())
    assert len(bucket.written) == 3


def test_catalogs_are_written_in_the_order_in_which_they_were_given() -> None:
    bucket = FakeBucket([])
    publish(bucket, listing("a"), listing("b"), listing("c"))
    assert [weight_names(held, "loras") for held in bucket.written] == [["a"], ["b"], ["c"]]
