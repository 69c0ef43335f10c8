"""Frames, checked against pymodbus', which was written by others."""

from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse, ReadInputRegistersResponse

from edge.drivers.driver import Question
from edge.drivers.frames import (
    FUNCTIONS,
    Found,
    crc,
    rtu_answer,
    rtu_answer_bytes,
    rtu_begun,
    rtu_request,
    tcp_answer,
    tcp_next,
    tcp_request,
)
from edge.models import Table

questions = st.builds(
    Question,
    unit=st.integers(1, 247),
    table=st.sampled_from(["holding", "input"]),
    address=st.integers(0, 65535 - 125),
    words=st.integers(1, 125),
)


def theirs(question: Question, words: list[int], framer: FramerRTU | FramerSocket, transaction: int = 0) -> bytes:
    """The answer as pymodbus' server would send it."""
    kind = ReadHoldingRegistersResponse if question.table == "holding" else ReadInputRegistersResponse
    return framer.buildFrame(kind(dev_id=question.unit, transaction_id=transaction, registers=words))


RTU = FramerRTU(DecodePDU(is_server=True))
TCP = FramerSocket(DecodePDU(is_server=True))


@given(st.binary(max_size=300))
def test_crc_is_modbus(data: bytes) -> None:
    assert crc(data) == FramerRTU.compute_CRC(data).to_bytes(2, "big")


@given(questions, st.integers(1, 65535))
def test_requests_are_understood(question: Question, transaction: int) -> None:
    for framer, frame in ((RTU, rtu_request(question)), (TCP, tcp_request(question, transaction))):
        used, asked = framer.handleFrame(frame, question.unit, 0)
        assert used == len(frame)
        assert asked is not None
        assert (asked.dev_id, asked.function_code) == (question.unit, FUNCTIONS[question.table])
        assert (asked.address, asked.count) == (question.address, question.words)


@given(questions, st.data())
def test_answers_are_understood_amid_noise_echo_and_others(question: Question, data: st.DataObject) -> None:
    words = data.draw(st.lists(st.integers(0, 65535), min_size=question.words, max_size=question.words))
    frame = theirs(question, words, RTU)
    assert len(frame) == rtu_answer_bytes(question.words)
    other = theirs(question._replace(unit=question.unit % 247 + 1), words, RTU)
    before = data.draw(st.sampled_from([b"", b"\x00", b"\xff\x00", rtu_request(question), other]))
    assert rtu_answer(before + frame, question) == Found(tuple(words))
    assert rtu_answer(before + frame[:-1], question) is None


@given(questions, st.data())
def test_an_answer_to_another_question_is_none(question: Question, data: st.DataObject) -> None:
    words = [7] * question.words
    frame = theirs(question, words, RTU)
    table: Table = "input" if question.table == "holding" else "holding"
    for other in (
        question._replace(unit=question.unit % 247 + 1),
        question._replace(words=question.words % 125 + 1),
        question._replace(table=table),
    ):
        assert rtu_answer(frame, other) is None
    bit = data.draw(st.integers(0, 8 * len(frame) - 1))
    damaged = bytearray(frame)
    damaged[bit // 8] ^= 1 << bit % 8
    assert rtu_answer(bytes(damaged), question) is None


def test_an_answer_has_begun_that_is_neither_whole_nor_another() -> None:
    question = Question(5, "holding", 0, 20)
    stale = theirs(question._replace(words=3), [1, 2, 3], RTU)
    assert not rtu_begun(b"", question)
    assert not rtu_begun(stale + stale, question)
    assert rtu_begun(stale + stale[:-1], question)
    assert rtu_begun(stale[:2], question)
    assert rtu_begun(stale[:-1] + b"\x00", question)


@given(questions, st.integers(1, 11))
def test_exceptions_are_understood(question: Question, code: int) -> None:
    refusal = ExceptionResponse(FUNCTIONS[question.table], code, device_id=question.unit, transaction=9)
    assert rtu_answer(RTU.buildFrame(refusal), question) == Found(code=code)
    following = tcp_next(TCP.buildFrame(refusal))
    assert following is not None
    assert tcp_answer(following[1], question) == Found(code=code)


@given(st.lists(st.tuples(questions, st.integers(1, 65535)), min_size=1, max_size=4), st.integers(0, 20))
def test_a_stream_of_answers_comes_apart_frame_by_frame(asked: list[tuple[Question, int]], cut: int) -> None:
    stream = b"".join(theirs(question, [5] * question.words, TCP, number) for question, number in asked)
    heard = stream + stream[:cut]
    for question, number in asked:
        following = tcp_next(heard)
        assert following is not None
        transaction, pdu, used = following
        assert transaction == number
        assert tcp_answer(pdu, question) == Found((5,) * question.words)
        heard = heard[used:]
    assert heard == stream[:cut]
