"""What the stack's secret holds, and how it is changed: tokens, keys, and which of them `make connect` stored.

The function reads the keys that docs/api.md names and no others. `console` is ours: the names of keys, by the first 16
hex digits of their SHA-256, and what was connected.
"""

import hashlib
import json
import secrets
from datetime import datetime, timezone

from tools import Failure

# The function takes any of a list, so that a new one can be in use before the old one is taken away.
KINDS = ("write_keys", "public_write_keys", "webhook_secret")
SHOWN_CHARACTERS = 4
LONGEST_NAME = 60


class StackSecret:
    """The secret with this ARN. `client` is boto3's of Secrets Manager."""

    def __init__(self, client, arn):
        self.client, self.arn = client, arn

    def read(self):
        text = self.client.get_secret_value(SecretId=self.arn)["SecretString"]
        try:
            secret = json.loads(text)
        except json.JSONDecodeError:
            secret = None
        if not isinstance(secret, dict):
            # Its text may hold a token, so it isn't quoted.
            raise Failure(
                f"the secret {self.arn} isn't a JSON object: put that right in Secrets Manager, or make it {{}}")
        return secret

    def change(self, act):
        """Reads the secret, lets `act` change it, and writes it; returns the result of `act`. What `act` leaves alone
        stays as it is."""
        secret = self.read()
        result = act(secret)
        self.client.put_secret_value(SecretId=self.arn, SecretString=json.dumps(secret))
        return result


def as_list(value):
    return value if isinstance(value, list) else [value] if value else []


def fingerprint(key):
    """What tells keys apart without showing them."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def keys(secret, kind):
    """The keys of a kind without themselves: `id`, `name`, `ending`, the newest first."""
    names = secret.get("console", {}).get("key_names", {})
    return [{"id": fingerprint(key), "name": names.get(fingerprint(key), ""), "ending": key[-SHOWN_CHARACTERS:]}
            for key in as_list(secret.get(kind)) if isinstance(key, str)]


def add_key(secret, kind, name=""):
    """Makes a key, puts it before the existing ones, and returns it."""
    if kind not in KINDS:
        raise Failure(f"{kind} is not a kind of key: use {', '.join(KINDS)}")
    if len(name) > LONGEST_NAME:
        raise Failure(f"the name has {len(name)} characters: use {LONGEST_NAME} at most")
    key = secrets.token_hex(32)
    secret[kind] = [key, *as_list(secret.get(kind))]
    if name:
        secret.setdefault("console", {}).setdefault("key_names", {})[fingerprint(key)] = name
    return key


def remove_key(secret, kind, key_id):
    """Takes a key away, and its name."""
    left = [key for key in as_list(secret.get(kind)) if fingerprint(key) != key_id]
    if kind not in KINDS or len(left) == len(as_list(secret.get(kind))):
        raise Failure("that key is gone already: load the page again")
    secret[kind] = left
    secret.get("console", {}).get("key_names", {}).pop(key_id, None)


def connect(secret, token, way, workspace):
    """Puts Intercom's token there. `way` is `oauth` or `token`; `workspace` is its App ID."""
    secret["access_token"] = token
    secret.setdefault("console", {})["connection"] = {
        "way": way, "workspace": workspace, "token": fingerprint(token),
        "since": datetime.now(timezone.utc).isoformat(timespec="seconds")}


def connection(secret):
    """How the token that the secret holds was connected: `way`, `workspace`, `since`; {} when by other means."""
    known, token = secret.get("console", {}).get("connection", {}), secret.get("access_token")
    return known if token and known.get("token") == fingerprint(token) else {}


def disconnect(secret):
    """Takes away what connecting stored."""
    secret.pop("access_token", None)
    secret.get("console", {}).pop("connection", None)
