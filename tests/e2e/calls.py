"""Segment's calls, and what came of them at Intercom's simulator."""

import uuid

SUCCESS = {"success": True}


def call(kind, user, **fields):
    """A Segment call as an SDK makes it."""
    return {"type": kind, "userId": user, "messageId": str(uuid.uuid4()), **fields}


def visitor_call(kind, anonymous_id, **fields):
    """A call of somebody who is known by an anonymousId alone."""
    return {"type": kind, "anonymousId": anonymous_id, "messageId": str(uuid.uuid4()), **fields}


def contact(stack, user):
    """The simulated contact of a user, or None."""
    return next((each for each in stack.simulator.state()["contacts"] if each["external_id"] == user), None)


def events_of(stack, user):
    """Names of a user's events, in the order received."""
    return [event["name"] for event in stack.simulator.state()["events"] if event["external_id"] == user]
