"""The strict reading of a connection: known messages, and what is true of all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.oracle.wire import read

GET = b"GET /a HTTP/1.1\r\nHost: api\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: api\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def head(*lines: bytes, first: bytes = b"GET /a HTTP/1.1", host: bytes = b"Host: api") -> bytes:
    return b"\r\n".join([first, *([host] if host else []), *lines, b"", b""])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (head(b"Content-Length: 5", b"Transfer-Encoding: chunked"), "both Transfer-Encoding and Content-Length"),
        (head(b"Content-Length: 5", b"Content-Length: 6"), "Content-Lengths that differ"),
        (head(b"Content-Length: 5, 6"), "Content-Lengths that differ"),
        *((head(b"Content-Length: " + value), "a Content-Length that is no number")
          for value in (b"+5", b"-5", b"0x5", b"5 0", b"", b"5,", b"\xb2")),
        *((head(b"Transfer-Encoding: " + value), "a Transfer-Encoding other than chunked")
          for value in (b"xchunked", b"chunked, identity", b"gzip, chunked", b'"chunked"')),
        (head(b"Transfer-Encoding: chunked", first=b"GET /a HTTP/1.0"), "Transfer-Encoding in HTTP/1.0"),
        (head(b"Transfer-Encoding : chunked"), "a space before a header's colon"),
        (head(b"X-A: b", b" c"), "a header line that is folded"),
        (head(b"X-A: b\nX-C: d"), "a bare LF in the head"),
        (head(b"X-A: b\rX-C: d"), "a bare CR in the head"),
        (head(b"X-A: b\0"), "a NUL in the head"),
        (head(b"X-A: \x0bb"), "a control character in a header"),
        (head(b"X-A"), "a header line without a colon"),
        (head(b": b"), "a header whose name is no token"),
        (head(host=b""), "no Host"),
        (head(b"host: api"), "two Hosts"),
        (head(host=b"Host: api/x"), "a Host that is none"),
        (head(first=b"GET /a b HTTP/1.1"), "a request line that is not three words with a space between"),
        (head(first=b"GET\t/a\tHTTP/1.1"), "a request line that is not three words with a space between"),
        (head(first=b" GET /a HTTP/1.1"), "a request line that is not three words with a space between"),
        (head(first=b"G,T /a HTTP/1.1"), "a method that is no token"),
        (head(first=b"GET /\xc3 HTTP/1.1"), "a target with characters that no URI has"),
        (head(first=b"GET /a#b HTTP/1.1"), "a target with characters that no URI has"),
        (head(first=b"GET a HTTP/1.1"), "a target that is neither a path nor an absolute URI"),
        (head(first=b"GET * HTTP/1.1"), "a target that is neither a path nor an absolute URI"),
        (head(first=b"GET http:///a HTTP/1.1"), "an absolute target without a host"),
        (head(first=b"GET /a HTTP/2.0"), "a version that is neither HTTP/1.0 nor HTTP/1.1"),
        (b"GET /a HTTP/1.1\r\nHost: api", "a head without an end"),
        (CHUNKED + b"zz\r\n", "a chunk's size that is no number"),
        (CHUNKED + b"-5\r\n", "a chunk's size that is no number"),
        (CHUNKED + b"0x5\r\n", "a chunk's size that is no number"),
        (CHUNKED + b"5\nhello\n", "a chunk's size that is no number"),
        (CHUNKED + b"2;\nxx\r\n4\r\n", "a chunk's size that is no number"),
        (CHUNKED + b"3\r\nhello\r\n", "a chunk that is longer than its size"),
        (CHUNKED + b"0\r\nX Sum: 1\r\n\r\n", "a trailer that is no header"),
        (head(b"Connection: close") + GET, "more bytes behind a message that is the last"),
        (head(first=b"GET /a HTTP/1.0") + GET, "more bytes behind a message that is the last"),
    ],
)  # fmt: skip
def test_what_is_no_request_ends_the_reading(data: bytes, why: str) -> None:
    assert read(GET + data).stopped == why


@pytest.mark.parametrize(
    ("data", "doubt"),
    [
        (head(b"Content-Length: 0", b"Content-Length: 0"), "its Content-Length comes twice"),
        (b"\r\n" + GET, "empty lines come before it"),
        (head(first=b"BREW /a HTTP/1.1"), "its method need not be known"),
        (head(first=b"OPTIONS * HTTP/1.1"), "it asks for no path"),
        (head(first=b"CONNECT api:80 HTTP/1.1"), "it asks for no path"),
        (head(first=b"GET /a HTTP/1.0", host=b""), "it is of HTTP/1.0 and names no host"),
        (head(b"X-A: " + b"b" * 8000), "its head is longer than 8000 bytes"),
        (head(*[b"X-A: b"] * 100), "it has more than 100 headers"),
        (head(b"Upgrade: websocket"), "it asks for another protocol"),
        (head(host=b"Host: me@api"), "its Host names a user"),
        (head(first=b"GET /a%00 HTTP/1.1"), "its path holds a NUL that is escaped"),
        (POST + b"Content-Length: 5\r\n\r\nhell", "its end is missing"),
        (CHUNKED + b"5\r\nhello\r\n", "its end is missing"),
        (CHUNKED + b"0\r\nX-Sum: 1\r\n", "its end is missing"),
    ],
)
def test_what_may_be_refused_is_in_doubt(data: bytes, doubt: str) -> None:
    assert [each.doubt for each in read(data).messages] == [doubt]


@pytest.mark.parametrize(
    ("data", "path", "host", "body"),
    [
        (GET, "/a", "api", b""),
        (head(first=b"GET http://web:80/b?c HTTP/1.1"), "/b?c", "web:80", b""),
        (head(first=b"GET http://web?c HTTP/1.1"), "/?c", "web", b""),
        (head(b"Content-Length: 5", first=b"PUT /a HTTP/1.1") + b"hello", "/a", "api", b"hello"),
        (CHUNKED + b'5;a="0"\r\nhello\r\n00;b\r\nX-Sum: 1\r\n\r\n', "/a", "api", b"hello"),
        (POST + b"TRANSFER-ENCODING:\tChunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", "/a", "api", b"0123456789"),
        (head(b"X-A: caf\xe9", b"X-B:"), "/a", "api", b""),
        (head(b"Connection: keep-alive", first=b"GET /a HTTP/1.0"), "/a", "api", b""),
    ],
)
def test_a_request_is_read_and_what_follows_it(data: bytes, path: str, host: str, body: bytes) -> None:
    first, second = read(data + GET).messages
    assert (first.request.path, first.request.host, first.body, first.doubt) == (path, host, body, "")
    assert (first.end, second.end) == (len(data), len(data + GET))


BODIES = st.binary(max_size=30)
MESSAGES = st.one_of(
    st.just((GET, b"")),
    BODIES.map(lambda body: (POST + b"Content-Length: %d\r\n\r\n" % len(body) + body, body)),
    st.lists(BODIES.filter(len), max_size=3).map(
        lambda chunks: (
            CHUNKED + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n",
            b"".join(chunks),
        )
    ),
)


@given(st.lists(MESSAGES, max_size=5))
def test_every_message_of_a_pipeline_is_read_with_its_body(messages: list[tuple[bytes, bytes]]) -> None:
    reading = read(b"".join(data for data, _ in messages))
    assert [each.body for each in reading.messages] == [body for _, body in messages]
    assert reading.stopped == ""


@given(MESSAGES, st.data())
def test_a_part_of_a_message_is_never_taken_for_a_whole_one(message: tuple[bytes, bytes], draw: st.DataObject) -> None:
    part = message[0][: draw.draw(st.integers(0, len(message[0]) - 1))]
    assert not [each for each in read(part).messages if each.complete]
