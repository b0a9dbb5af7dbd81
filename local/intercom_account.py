"""Intercom's side of a connection: whose token it is, what it may do, and OAuth with the operator's own app."""

import hashlib
import hmac
import json
import secrets
import time
import urllib.error
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

import http_call
from tools import Failure

# By INTERCOM_REGION: the API, the app, and how /me names the region.
REGIONS = {
    "us": ("https://api.intercom.io", "https://app.intercom.com", "US"),
    "eu": ("https://api.eu.intercom.io", "https://app.eu.intercom.com", "Europe"),
    "au": ("https://api.au.intercom.io", "https://app.au.intercom.com", "Australia"),
}
STATE_SECONDS = 600
# What the function calls, each with a request that changes nothing: a write lacks what Intercom requires.
PERMISSIONS = (
    ("Read and list users and companies", "GET", "/contacts?per_page=1", None),
    ("Write data attributes", "POST", "/data_attributes", {}),
    ("Write events", "POST", "/events", {}),
)


class Refused(Failure):
    """What Intercom answered, for a person; never with the token."""


@dataclass(frozen=True)
class Workspace:
    """What /me says of a token's workspace."""

    name: str
    app_id: str
    region: str
    asks_for_user_hash: bool


class IntercomAccount:
    """Intercom as the function is set up to call it: `variables` are the function's."""

    def __init__(self, variables):
        self.region = variables.get("INTERCOM_REGION") or "us"
        api, app, self.region_name = REGIONS[self.region]
        other = variables.get("INTERCOM_BASE_URL")
        self.api, self.app = (other, other) if other else (api, app)
        self.version = variables.get("INTERCOM_VERSION") or "2.16"

    def workspace(self, token):
        """The Workspace of a token. Raises Refused."""
        answer = self._call("GET", "/me", token)
        if answer.status == 401:
            raise Refused(f"Intercom refuses the token: it is wrong, revoked, or of another region than {self.region}")
        if answer.status != 200:
            raise Refused(f"Intercom answered {answer.status} when asked whose token it is: try again later")
        try:
            app = answer.json()["app"]
            return Workspace(str(app["name"]), str(app["id_code"]), str(app.get("region") or self.region_name),
                             bool(app.get("identity_verification") or app.get("secure")))
        except (ValueError, KeyError, TypeError):
            raise Refused("Intercom's answer names no workspace: is INTERCOM_BASE_URL right?") from None

    def checked(self, token):
        """The Workspace of a token that the function can use. Raises Refused."""
        workspace = self.workspace(token)
        if workspace.region != self.region_name:
            wanted = next((key for key, of in REGIONS.items() if of[2] == workspace.region), workspace.region)
            raise Refused(f"{workspace.name} is in the region {workspace.region}, but the function calls "
                          f"{self.region}: deploy it with IntercomRegion={wanted}. Nothing was stored")
        return workspace

    def lacking(self, token):
        """The permissions, as Intercom's Developer Hub names them, that the token lacks."""
        return [name for name, method, path, body in PERMISSIONS if self._call(method, path, token, body).status == 403]

    def contact_url(self, token, user_id, workspace):
        """Where Intercom's own app shows the contact of a user id; None when there is none."""
        answer = self._call("GET", f"/contacts/find_by_external_id/{quote(user_id, safe='')}", token)
        if answer.status != 200:
            return None
        return f"{self.app}/a/apps/{quote(workspace.app_id, safe='')}/users/{quote(answer.json()['id'], safe='')}"

    def revoke(self, token):
        """Ends an OAuth token at Intercom. One that is refused has ended already."""
        answer = self._call("POST", "/auth/uninstall", token)
        if answer.status not in (200, 204, 401):
            raise Refused(f"Intercom answered {answer.status} to revoking the token, so nothing was changed: try again")

    def exchange(self, code, client_id, client_secret):
        """The token for a code of OAuth."""
        body = {"code": code, "client_id": client_id, "client_secret": client_secret}
        answer = self._call("POST", "/auth/eagle/token", None, body)
        try:
            token = answer.json()["access_token"] if answer.status == 200 else None
        except (ValueError, KeyError, TypeError):
            token = None
        if not token:
            raise Refused(f"Intercom gave no token for its code (HTTP {answer.status}): check client id and secret, "
                          "and begin again")
        return token

    def authorize_url(self, client_id, state, redirect_uri):
        """The page of Intercom's that asks a person."""
        return f"{self.app}/oauth?" + urlencode({
            "client_id": client_id, "state": state, "redirect_uri": redirect_uri, "response_type": "code"})

    def _call(self, method, path, token, body=None):
        headers = {"accept": "application/json", "intercom-version": self.version}
        if token:
            headers["authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        if data:
            headers["content-type"] = "application/json"
        try:
            return http_call.request(method, self.api + path, data, headers)
        except (urllib.error.URLError, OSError, ValueError):
            raise Refused(f"Intercom can't be reached at {urlsplit(self.api).hostname}: try again later") from None


class States:
    """OAuth's `state`: signed, single-use, valid for ten minutes. It carries no data, and is only this process's."""

    def __init__(self, now=time.time):
        self._key, self._waiting, self._now = secrets.token_bytes(32), {}, now

    def make(self, about):
        """A state for what is under way."""
        text = f"{secrets.token_hex(16)}.{int(self._now()) + STATE_SECONDS}"
        state = f"{text}.{self._sign(text)}"
        self._waiting[state] = about
        return state

    def take(self, state):
        """What the state was made for. Raises Refused for one that is not ours, was used, or is too old."""
        text, _, signature = state.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(text).encode()):
            raise Refused("this answer is to no question of ours: begin again from the console")
        about = self._waiting.pop(state, None)
        if about is None:
            raise Refused("this answer was used already: begin again from the console")
        if int(text.rpartition(".")[2]) < self._now():
            raise Refused("this answer came after more than ten minutes: begin again from the console")
        return about

    def _sign(self, text):
        return hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
