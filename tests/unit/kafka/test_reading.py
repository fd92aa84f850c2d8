"""Requests of every API and version are read whole, or not at all."""

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from kafka_requests import READABLE, VERSIONS, requests, written
from kio.schema.fetch.v12.request import FetchPartition, FetchRequest, FetchTopic, ForgottenTopic
from kio.schema.types import TopicName
from kio.static.primitive import i8, i32, i32Timedelta, i64

from harness.kafka import schema
from harness.kafka.reading import Unreadable, read

ANY = st.sampled_from(READABLE)


@given(st.data(), ANY)
def test_what_was_written_is_read(data: DataObject, which: tuple[int, int]) -> None:
    entity = data.draw(requests(*which))
    try:
        asked = read(written(entity, 77, "someone"))
    except Unreadable as unreadable:
        assert "by its id" in str(unreadable)
        assert "TopicName('')" not in repr(entity)
    else:
        assert (asked.key, asked.version, asked.correlation, asked.client_id) == (*which, 77, "someone")
        assert asked.entity == entity
        assert all(topic in repr(entity) for topic in asked.topics)


@given(st.data(), ANY)
def test_a_part_of_a_request_is_not_read(data: DataObject, which: tuple[int, int]) -> None:
    frame = written(data.draw(requests(*which)))
    cut = data.draw(st.integers(0, len(frame) - 1))
    with pytest.raises(Unreadable):
        read(frame[:cut])


@given(st.data(), ANY)
def test_what_is_behind_a_request_is_not_passed_over(data: DataObject, which: tuple[int, int]) -> None:
    with pytest.raises(Unreadable):
        read(written(data.draw(requests(*which))) + b"\0")


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(frame: bytes) -> None:
    try:
        read(frame)
    except Unreadable as unreadable:
        assert str(unreadable)


@pytest.mark.parametrize(
    ("key", "version", "why"),
    [
        (0, 99, "version 99 of produce is not known"),
        (0, -1, "version -1 of produce is not known"),
        (1, 13, "version 13 of fetch asks for topics by something else than names"),
        (58, 0, "version 0 of envelope asks for topics by something else than names"),
        (68, 1, "version 1 of consumergroupheartbeat asks for topics by something else than names"),
        (999, 0, "API 999 is not known"),
    ],
)
def test_what_cannot_be_judged_is_named(key: int, version: int, why: str) -> None:
    with pytest.raises(Unreadable, match=why) as caught:
        read(key.to_bytes(2, signed=True) + version.to_bytes(2, signed=True) + (5).to_bytes(4) + b"\xff\xff")
    assert (caught.value.key, caught.value.version, caught.value.correlation) == (key, version, 5)
    assert not caught.value.answerable


def test_topics_of_a_fetch_are_those_that_it_forgets_too() -> None:
    partition = FetchPartition(partition=i32(0), fetch_offset=i64(0), partition_max_bytes=i32(1))
    entity = FetchRequest(
        max_wait=i32Timedelta.parse(datetime.timedelta()),
        min_bytes=i32(1),
        isolation_level=i8(0),
        topics=(FetchTopic(topic=TopicName("orders"), partitions=(partition,)),),
        forgotten_topics_data=(ForgottenTopic(topic=TopicName("audit")),),
    )
    assert read(written(entity)).topics == {"orders", "audit"}


def test_every_api_that_names_topics_is_known_to_do_so() -> None:
    naming = {schema.api_name(key) for key, version in VERSIONS if schema.can_name_topics(key, version)}
    assert naming >= {
        "produce", "fetch", "offsets", "metadata", "offsetcommit", "offsetfetch", "createtopics", "deletetopics",
        "deleterecords", "offsetforleaderepoch", "addpartitionstotxn", "writetxnmarkers", "txnoffsetcommit",
    }  # fmt: skip
    assert naming.isdisjoint({"apiversions", "heartbeat", "joingroup", "syncgroup", "findcoordinator", "saslhandshake"})
