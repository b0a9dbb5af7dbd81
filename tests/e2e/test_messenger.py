"""Intercom's Messenger in the page: Segment's SDK for browsers in Chromium, whose only line of ours is `cdnURL`, and a
stand-in for Intercom's widget that keeps what it is told."""

import hmac
import json
import time

import pytest

from calls import contact, events_of
from pages import APP
from refusals import function_with

EACH_MODE = pytest.mark.parametrize("mode", ["messenger", "device"])


@pytest.fixture
def plan(stack):
    """The workspace has the attribute `plan`: a public write key makes none."""
    stack.send("/v1/identify", {"userId": "somebody", "traits": {"plan": "free"}})


# Who is there


@pytest.mark.parametrize("sdk", ["npm", "snippet"])
def test_the_first_page_boots_and_the_later_calls_update(stack, page, plan, sdk):
    page.visit(sdk=sdk)
    page.call("page")
    assert page.wait_for_told("boot") == [APP]
    page.call("identify", "u-1", {
        "email": "a@example.com", "firstName": "Ada", "lastName": "Lovelace", "phone": "1", "createdAt": "2014-03-11",
        "language": "de", "plan": "pro", "company": {"id": "acme", "name": "Acme", "plan": "Business"}})
    user = {**APP, "user_id": "u-1", "email": "a@example.com", "name": "Ada Lovelace", "phone": "1",
            "created_at": 1394496000, "language_override": "de"}
    assert page.wait_for_told("update") == [{**user, "company": {"company_id": "acme", "name": "Acme"}}]
    page.call("group", "umbrella", {"name": "Umbrella", "employees": 9})
    assert page.wait_for_told("update") == [{**user, "company": {"company_id": "umbrella", "name": "Umbrella"}}]
    page.call("track", "Signed Up", {"revenue": 19.99})
    assert len(page.told()) == 3
    # The function delivers what the Messenger isn't told.
    assert stack.settle(30)
    stack.wait_for(lambda: events_of(stack, "u-1") == ["Signed Up"], "the event")
    assert contact(stack, "u-1")["custom_attributes"]["plan"] == "pro"
    assert sorted(contact(stack, "u-1")["companies"]) == ["acme", "umbrella"]


def test_a_user_known_from_an_earlier_visit(stack, page):
    page.visit(before='localStorage.ajs_user_id = JSON.stringify("u-1");'
                      'localStorage.ajs_user_traits = JSON.stringify({ email: "a@example.com", plan: "pro" })')
    page.call("page")
    # The rest may be from calls that weren't for Intercom.
    assert page.wait_for_told("boot") == [{**APP, "user_id": "u-1"}]


def test_a_company_known_only_by_name_has_the_id_that_the_function_gives_it(stack, page):
    page.visit()
    page.call("identify", "u-1", {"company": "Acme"})
    (boot,) = page.wait_for_told("boot")
    stack.wait_for(lambda: contact(stack, "u-1")["companies"] == [boot["company"]["company_id"]], "the company")


def test_a_proof_goes_with_every_update_until_the_user_leaves(stack, page):
    page.visit()
    page.call("page")
    page.call("identify", "u-1", {}, {"integrations": {"Intercom": {"user_hash": "abc", "intercomUserJwt": "j.w.t"}}})
    proof = {"user_hash": "abc", "intercom_user_jwt": "j.w.t"}
    assert page.wait_for_told("update") == [{**APP, "user_id": "u-1", **proof}]
    page.call("identify", "u-1", {"name": "Ada"})
    assert page.wait_for_told("update") == [{**APP, "user_id": "u-1", "name": "Ada", **proof}]
    page.call("group", "acme", {"name": "Acme"}, {"context": {"Intercom": {"userHash": "def"}}})
    assert page.wait_for_told("update")[0]["user_hash"] == "def"
    page.call("reset")
    assert page.wait_for_told("shutdown", "boot") == [[], APP]
    page.call("identify", "u-2")
    assert page.wait_for_told("update") == [{**APP, "user_id": "u-2"}]


def test_without_a_proof_where_it_is_required(stack, page):
    proof = hmac.new(stack.secret["api_secret"].encode(), b"u-1", "sha256").hexdigest()
    with function_with(stack, REQUIRE_USER_HASH="true"):
        page.visit()
        page.call("page")
        page.call("identify", "u-1")
        page.call("identify", "u-1", {"name": "Ada"})
        assert page.wait_for_told("boot") == [APP]
        warnings = [text for text in page.application.printed("warning") if "user_hash" in text]
        assert len(warnings) == 1
        page.call("identify", "u-1", {}, {"integrations": {"Intercom": {"user_hash": proof}}})
        assert page.wait_for_told("update") == [{**APP, "user_id": "u-1", "name": "Ada", "user_hash": proof}]


@EACH_MODE
def test_another_user_or_none(stack, page, mode):
    with function_with(stack, BROWSER_DELIVERY=mode):
        page.visit()
        page.call("page")
        page.call("identify", "u-1")
        assert page.wait_for_told("update")
        page.call("identify", "u-2")
        assert page.wait_for_told("shutdown", "boot")[1] == {**APP, "user_id": "u-2"}
        page.call("reset")
        assert page.wait_for_told("shutdown", "boot")[1] == APP
        # Nobody who left comes back.
        page.run('analytics.identify("u-3"); analytics.track("Bought"); await analytics.reset()')
        page.call("page")
        assert "u-3" not in json.dumps(page.told())
        stack.wait_for(lambda: contact(stack, "u-3"), "the user who left")
        # Without the event of a reset.
        page.call("identify", "u-4")
        page.run("(analytics.instance ?? analytics).user().reset()")
        page.call("page")
        assert page.wait_for_told("shutdown", "boot")[1] == APP


def test_calls_made_before_the_library_is_there(stack, page):
    calls = 'analytics.page(); analytics.identify("u-1", { name: "Ada" }); analytics.track("E")'
    page.visit(sdk="snippet", calls=calls)
    stack.wait_for(lambda: events_of(stack, "u-1") == ["E"], "the event")
    told = page.told()
    assert [call[0] for call in told if call[0] == "boot"] == ["boot"]
    assert told[-1][1] == {**APP, "user_id": "u-1", "name": "Ada"}


def test_a_reset_before_the_library_is_there(stack, page):
    page.visit(sdk="snippet", calls='analytics.page(); analytics.identify("u-1"); analytics.reset()')
    stack.wait_for(lambda: contact(stack, "u-1"), "the user")
    page.call("page")
    assert "user_id" not in [call for call in page.told() if call[0] != "shutdown"][-1][1]


# Where it can't or mustn't be


@EACH_MODE
def test_a_blocked_widget_delays_and_loses_nothing(stack, page, plan, mode):
    with function_with(stack, BROWSER_DELIVERY=mode):
        page.visit(widget="blocked")
        started = time.monotonic()
        page.call("page")
        page.call("identify", "u-1", {"plan": "pro"})
        page.call("group", "acme", {"name": "Acme"})
        page.call("track", "Signed Up")
        assert time.monotonic() - started < 10
        stack.wait_for(lambda: events_of(stack, "u-1") == ["Signed Up"], "the event")
        assert contact(stack, "u-1")["custom_attributes"]["plan"] == "pro"
        assert contact(stack, "u-1")["companies"] == ["acme"]
        assert page.application.printed("widget") == ["https://widget.intercom.io/widget/abc123"]


def test_an_intercom_that_is_there_already_is_taken_over(stack, page):
    page.visit(before="window.told = []; window.Intercom = (...call) => { told.push(call) }; window.first = Intercom")
    page.call("page")
    assert page.wait_for_told("reattach_activator", "update")[1] == APP
    assert page.run("return window.Intercom === window.first")
    assert page.application.printed("widget") == []


@pytest.mark.parametrize("integrations", [{"Intercom": False}, {"All": False}, {"Intercom Web (Actions)": False}])
def test_what_is_not_for_intercom(stack, page, integrations):
    page.visit(load={"integrations": integrations | {"Segment.io": True}})
    page.call("page")
    page.call("identify", "u-1")
    assert page.told() == []
    page.visit()
    page.call("page", None, None, {}, {"integrations": integrations})
    assert page.told() == []
    page.call("page", None, None, {}, {"integrations": {"All": False, "Intercom": True}})
    assert page.wait_for_told("boot") == [APP]


def test_visitors_switched_off(stack, page):
    with function_with(stack, BOOT_VISITORS="false"):
        page.visit()
        page.call("page")
        assert page.application.printed("widget") == []
        page.call("identify", "u-1")
        assert page.wait_for_told("boot") == [{**APP, "user_id": "u-1"}]
        page.call("reset")
        page.call("page")
        assert page.wait_for_told("shutdown") == [[]]


def test_fifty_page_views_in_a_row(stack, page):
    page.visit()
    for number in range(50):
        page.run(f'history.pushState(0, "", "/{number}"); await analytics.page()')
    updates = [call for call in page.told() if call[0] == "update"]
    assert 1 <= len(updates) <= 20
    page.call("page")
    page.call("page")
    assert len([call for call in page.told() if call[0] == "update"]) == len(updates)


def test_a_launcher_hidden_on_one_page(stack, page):
    with function_with(stack, CUSTOM_LAUNCHER_SELECTOR="#chat"):
        page.visit()
        page.call("page", None, None, {}, {"integrations": {"Intercom": {"hideDefaultLauncher": True}}})
        hidden = {**APP, "custom_launcher_selector": "#chat", "hide_default_launcher": True}
        assert page.wait_for_told("boot") == [hidden]
        page.call("identify", "u-1")
        assert page.wait_for_told("update") == [{**hidden, "user_id": "u-1"}]
        page.run('history.pushState(0, "", "/next")')
        page.call("page")
        assert page.wait_for_told("update") == [{**hidden, "user_id": "u-1"}]
        page.call("page", None, None, {}, {"integrations": {"Intercom": {"hideDefaultLauncher": False}}})
        assert page.wait_for_told("update")[0]["hide_default_launcher"] is False


@pytest.mark.parametrize(("region", "api_base"), [
    ("us", "https://api-iam.intercom.io"), ("eu", "https://api-iam.eu.intercom.io"),
    ("au", "https://api-iam.au.intercom.io")])
def test_every_region(stack, page, region, api_base):
    with function_with(stack, INTERCOM_REGION=region):
        page.visit()
        page.call("page")
        assert page.wait_for_told("boot")[0]["api_base"] == api_base


def test_a_content_security_policy_with_a_nonce(stack, page):
    origin = stack.page_endpoint.removesuffix("/prod")
    policy = f"script-src 'nonce-r4nd0m' {origin} https://cdn.segment.com; connect-src {origin}"
    page.visit(headers={"content-security-policy": policy})
    page.call("page")
    assert page.wait_for_told("boot") == [APP]


@pytest.mark.parametrize("load", ["idle", "interaction"])
def test_a_widget_that_is_loaded_later(stack, page, load):
    page.visit(load={"integrations": {"Intercom": {"load": load}}})
    page.call("page")
    if load == "interaction":
        time.sleep(0.5)
        assert page.application.printed("widget") == []
        page.run('dispatchEvent(new Event("scroll"))')
    assert page.wait_for_told("boot") == [APP]


def test_the_plugin_by_npm(stack, page):
    page.visit(plugin={"appId": "abc123", "sessionDuration": 60000})
    page.call("page")
    assert page.wait_for_told("boot") == [{"app_id": "abc123", "session_duration": 60000}]


# Device delivery


@pytest.mark.parametrize("plugin", [None, {"appId": "abc123", "delivery": "device", "apiBase": APP["api_base"]}],
                         ids=["cdnURL", "npm"])
def test_with_device_delivery_the_messenger_takes_what_it_can(stack, page, plan, plugin):
    with function_with(stack, BROWSER_DELIVERY="device"):
        page.visit(**({"plugin": plugin} if plugin else {}))
        # Widget and rules are still underway: the function's.
        page.run('analytics.page(); analytics.identify("u-1", { plan: "free" }); await analytics.track("Early")')
        page.wait_until_up()
        company = {"id": "acme", "name": "Acme", "size": "9"}
        page.call("identify", "u-1", {"plan": "pro", "trialEnds": "2027-01-15", "company": company})
        user = {**APP, "user_id": "u-1"}
        (update,) = page.wait_for_told("update")
        assert update == {**user, "plan": "pro", "trialEnds_at": 1799971200,
                          "company": {"company_id": "acme", "name": "Acme", "size": 9}}
        page.call("group", "umbrella", {"name": "Umbrella", "employees": 9, "city": "London"})
        company = {"company_id": "umbrella", "name": "Umbrella", "size": 9, "city": "London"}
        assert page.wait_for_told("update")[0]["company"] == company
        page.call("track", "Bought", {"revenue": 19.99, "gift": True})
        assert page.wait_for_told("trackEvent") == [
            ["Bought", {"price": {"amount": 1999, "currency": "usd"}, "gift": "true"}]]
        assert contact(stack, "u-1")["custom_attributes"]["plan"] == "free"
        # What the Messenger can't be told goes by the function: older events, leaving a company.
        page.call("track", "Imported", {}, {"timestamp": "2026-01-05T10:00:00Z"})
        page.call("identify", "u-1", {"company": {"id": "acme", "remove": True}})
        sent = {event.get("event", event["type"]): event for event in page.sent()}
        # Without the settings document the library writes the metadata itself.
        if not plugin:
            assert sent["Bought"]["_metadata"]["bundled"] == ["Intercom"]
            assert "bundled" not in sent["Imported"].get("_metadata", {})
        # The name of Segment's destination for servers, so that the Messenger still takes it.
        assert sent["Bought"]["integrations"]["Intercom Cloud Mode (Actions)"] is False
        assert "Intercom Cloud Mode (Actions)" not in sent["Imported"]["integrations"]
        stack.wait_for(lambda: len(events_of(stack, "u-1")) == 2, "the events of the function")
    assert stack.settle(30)
    assert sorted(events_of(stack, "u-1")) == ["Early", "Imported"]
    assert [call[1] for call in page.told() if call[0] == "trackEvent"] == ["Bought"]
    assert stack.dead_letter_count() == 0


# What pages and apps load


def test_settings_by_every_name_of_the_endpoint(stack):
    path = f"/v1/projects/{stack.public_write_key}/settings"
    answer = stack.request("GET", stack.endpoint + path)
    assert answer.status == 200
    host = stack.page_endpoint.removeprefix("http://")
    by_domain = stack.request("GET", f"{stack.emulator_url}/prod{path}", headers={"host": host.removesuffix("/prod")})
    assert by_domain.json()["integrations"]["Segment.io"]["apiHost"] == f"{host}/v1"
    assert by_domain.json()["remotePlugins"][0]["url"].startswith(f"{stack.page_endpoint}/browser/")
    assert stack.request("GET", stack.endpoint + path.replace("local-public", "another")).status == 404
    assert stack.request("GET", stack.endpoint + f"/v1/projects/{stack.write_key}/settings").status == 404


# As analytics-swift 1.9 and analytics-kotlin 1.22 ask.
@pytest.mark.parametrize("headers", [
    {"user-agent": agent, "content-type": "application/json; charset=utf-8", "accept-encoding": "gzip"}
    for agent in ("analytics-ios/1.9.1", "analytics-kotlin/1.22.0")
], ids=["swift", "kotlin"])
def test_settings_of_the_mobile_sdks(stack, headers):
    answer = stack.request("GET", f"{stack.endpoint}/v1/projects/{stack.public_write_key}/settings", headers=headers)
    settings = answer.json()["integrations"]["Segment.io"]
    assert (answer.status, settings["apiKey"]) == (200, stack.public_write_key)
    assert settings["apiHost"].endswith("/v1")
