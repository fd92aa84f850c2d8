"""Refusals are answers of the protocol, of the version that was asked."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from kafka_requests import READABLE, requests, written
from kio.schema.errors import ErrorCode
from kio.schema.types import TopicName
from kio.serial import entity_reader
from kio.static.primitive import i8

from harness.kafka import schema
from harness.kafka.reading import Asked, Unreadable, read
from harness.kafka.refusal import errors, refuse, unsupported

OF_TOPICS = [
    (key, version)
    for key, version in READABLE
    if schema.api_name(key)
    in {
        "produce", "fetch", "offsets", "metadata", "offsetcommit", "offsetfetch", "createtopics", "deletetopics",
        "deleterecords", "offsetforleaderepoch", "addpartitionstotxn", "txnoffsetcommit", "createpartitions",
    }
]  # fmt: skip


def body(frame: bytes, key: int, version: int) -> Any:
    kind = schema.response_of(key, version)
    assert int.from_bytes(frame[:4]) == len(frame) - 4
    header, read_header = entity_reader(kind.__header_schema__)(frame, 4)
    assert header.correlation_id == 77
    found, read_body = entity_reader(kind)(frame, 4 + read_header)
    assert 4 + read_header + read_body == len(frame)
    return found


def asked(data: DataObject, which: tuple[int, int]) -> Asked | None:
    try:
        return read(written(data.draw(requests(*which)), 77))
    except Unreadable:
        return None


def names(entity: Any) -> set[str]:
    found = set()
    for field in schema.fields_of(entity):
        value = getattr(entity, field.name)
        if field.kind is TopicName and value is not None:
            found |= set(value) if field.many else {value}
        elif field.is_entity and value is not None:
            found |= {name for each in (value if field.many else (value,)) for name in names(each)}
    return found


@given(st.data(), st.sampled_from(READABLE))
def test_a_refusal_is_an_answer_with_errors_alone(data: DataObject, which: tuple[int, int]) -> None:
    request = asked(data, which)
    frame = None if request is None else refuse(request)
    if request is None or frame is None:
        return
    assert request.answered
    found = list(errors(body(frame, *which)))
    assert ErrorCode.none not in found
    assert found or which[0] == schema.METADATA
    if request.names_topics:
        assert set(found) <= {ErrorCode.topic_authorization_failed}


@given(st.data(), st.sampled_from(OF_TOPICS))
def test_each_topic_is_told_that_it_may_not_be_asked_for(data: DataObject, which: tuple[int, int]) -> None:
    request = asked(data, which)
    frame = None if request is None else refuse(request)
    if request is None or frame is None:
        return
    forgotten = {each.topic for each in getattr(request.entity, "forgotten_topics_data", ())}
    assert names(body(frame, *which)) >= request.topics - forgotten


def test_each_key_of_a_coordinator_is_told() -> None:
    kind: Any = schema.request_of(10, 4)
    frame = refuse(read(written(kind(key_type=i8(0), coordinator_keys=("one", "two")), 77)))
    assert frame is not None
    found = {each.key: each.error_code for each in body(frame, 10, 4).coordinators}
    assert found == dict.fromkeys(("one", "two"), ErrorCode.cluster_authorization_failed)


def test_each_configuration_is_told() -> None:
    kind: Any = schema.request_of(32, 4)
    (resource,) = (each.kind for each in schema.fields(kind) if each.is_entity)
    asked = kind(resources=(resource(resource_type=i8(2), resource_name="audit"),))
    frame = refuse(read(written(asked, 77)))
    assert frame is not None
    (found,) = body(frame, 32, 4).results
    assert (found.resource_type, found.resource_name) == (2, "audit")
    assert found.error_code is ErrorCode.topic_authorization_failed


@pytest.mark.parametrize("version", range(3, 13))
@given(data=st.data())
def test_a_producer_that_wants_no_answer_gets_none(data: DataObject, version: int) -> None:
    request = asked(data, (schema.PRODUCE, version))
    assert request is not None
    named = any(each.partition_data for each in request.entity.topic_data)
    assert (refuse(request) is None) == (request.entity.acks == 0 or not named)


def test_a_question_for_versions_that_is_too_new_is_asked_again_in_an_older_one() -> None:
    with pytest.raises(Unreadable) as caught:
        read(bytes.fromhex("0012 0063 0000004d") + b"\xff\xff")
    frame = unsupported(caught.value)
    assert frame is not None
    found = body(frame, schema.API_VERSIONS, 0)
    assert found.error_code is ErrorCode.unsupported_version
    assert [(each.api_key, each.max_version) for each in found.api_keys] == [(18, 4)]


def test_other_versions_that_are_not_known_have_no_answer() -> None:
    with pytest.raises(Unreadable) as caught:
        read(bytes.fromhex("0000 0063 0000004d") + b"\xff\xff")
    assert unsupported(caught.value) is None


@given(st.data(), st.integers(4, 12))
def test_a_refused_fetch_has_records_of_no_length(data: DataObject, version: int) -> None:
    """Kafka's brokers never send null here: librdkafka asks again and again when it gets it, and tells nobody."""
    request = asked(data, (schema.FETCH, version))
    frame = None if request is None else refuse(request)
    if frame is None:
        return
    for topic in body(frame, schema.FETCH, version).responses:
        assert all(each.records == b"" for each in topic.partitions)
