"""Requests of the SDKs that can't run here, byte by byte as their sources make them: the files of sdks/replays."""

import pytest

from refusals import without_write_keys
from replays import Request
from story import assert_told

# What an SDK makes of an answer, as its newest public source decides in 2026-11: is the request done, or is it given
# up? What is neither is sent again.


def below_300(answer):
    return answer.status < 300


def below_400(answer):
    return answer.status < 400


def only_200(answer):
    return answer.status == 200


def rubys_success(answer):
    return answer.status == 200 and "error" not in answer.json()


def javas_success(answer):
    return answer.status < 300 and answer.json()["success"] is True


def client_error(answer):
    return 400 <= answer.status < 500 and answer.status != 429


def rubys_client_error(answer):
    """A body that isn't JSON is an exception there, which is tried again whatever the status."""
    return client_error(answer) and isinstance(answer.json()["error"], str)


def only_400(answer):
    return answer.status == 400


DECISIONS = {
    "go": (below_300, client_error),
    "ruby": (rubys_success, rubys_client_error),
    "java": (javas_success, client_error),
    "php": (only_200, client_error),
    "dotnet": (only_200, client_error),
    "csharp": (below_400, client_error),
    "swift": (below_300, only_400),
    "kotlin": (below_300, client_error),
    "react-native": (below_300, client_error),
    "ios": (below_300, client_error),
    "android": (below_300, client_error),
}

PACKERS = ["php", "dotnet", "csharp", "kotlin", "ios", "android"]

# The emulator takes a body without Content-Type, which is C#'s, for text, and damages it. AWS doesn't.
VARIANTS = [
    (name, packed, way)
    for way in ("over a socket", "handed over")
    for name, packed in [*((name, True) for name in DECISIONS), ("php", False), ("dotnet", False)]
    if (name, way) != ("csharp", "over a socket")
]
each_sdk = pytest.mark.parametrize("name, packed, way", VARIANTS, ids=[
    f"{name}{'' if packed else ' not packed'}, {way}" for name, packed, way in VARIANTS])


def replay(stack, name, packed, way, **changed):
    """Sends what an SDK sends, changed as the parameters of Request say; gives the answer."""
    request = Request(stack, name, packed, **changed)
    return request.hand_over(stack) if way == "handed over" else request.send()


@each_sdk
def test_every_kind_of_call(stack, name, packed, way):
    """They say that it is January. A sentAt before the receipt proves nothing, so their own time stands."""
    answer = replay(stack, name, packed, way)
    is_done, _ = DECISIONS[name]
    assert is_done(answer), answer.body
    assert_told(stack)


@pytest.mark.parametrize("shape", [
    {"unpacked": True}, {"unpacked": True, "without_header": True}, {"without_header": True}], ids=[
    "unpacked by API Gateway", "unpacked, and the header gone", "packed, and the header gone"])
@pytest.mark.parametrize("name", PACKERS)
def test_every_shape_in_which_a_packed_body_may_be_handed_over(stack, name, shape):
    request = Request(stack, name)
    assert request.is_packed
    answer = request.hand_over(stack, **shape)
    is_done, _ = DECISIONS[name]
    assert is_done(answer), answer.body
    assert_told(stack)


def test_no_packing_sdk_is_forgotten(stack):
    assert [name for name in DECISIONS if Request(stack, name).is_packed] == PACKERS


@each_sdk
def test_a_wrong_write_key(stack, name, packed, way):
    answer = replay(stack, name, packed, way, write_key="wrong")
    assert answer.status == 401
    # Swift gives up on nothing but a 400.
    assert_refused(stack, name, answer, is_given_up=name != "swift")


@each_sdk
def test_a_body_that_breaks_off(stack, name, packed, way):
    answer = replay(stack, name, packed, way, cut=-20)
    assert answer.status == 400
    assert_refused(stack, name, answer, is_given_up=True)


def test_before_the_secret_is_filled_every_sdk_keeps_its_events(stack):
    with without_write_keys(stack):
        for name, packed, way in VARIANTS:
            answer = replay(stack, name, packed, way)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
            assert_refused(stack, name, answer, is_given_up=False)


def assert_refused(stack, name, answer, is_given_up):
    is_done, gives_up = DECISIONS[name]
    assert not is_done(answer)
    assert gives_up(answer) == is_given_up
    assert {"code", "message", "error"} <= answer.json().keys()
    assert stack.simulator.requests() == []
    assert stack.waiting() == stack.dead_letter_count() == 0
