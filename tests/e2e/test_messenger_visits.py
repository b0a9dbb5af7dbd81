"""What real pages do with the Messenger: other versions of the SDK, middlewares, consent, several pages of a visit."""

import json

import pytest

import page as demo
from calls import contact, events_of
from pages import APP
from refusals import function_with

VERSIONS = ["", "1.76", "1.70", "1.60"]
VERSION_IDS = ["newest", *VERSIONS[1:]]
EACH_VERSION = pytest.mark.parametrize("version", VERSIONS, ids=VERSION_IDS)
EACH_BUILD = pytest.mark.parametrize("sdk", ["npm", "snippet"])
WITHOUT_INTERCOM = {"integrations": {"Intercom": False}}


def parts_from(stack):
    """Makes a build of the SDK for script elements load its parts from the endpoint, as a snippet does."""
    return f"window.analytics = {{ _cdn: '{stack.page_endpoint}' }}"


def names_of(page):
    return [call[0] for call in page.told()]


@EACH_VERSION
@EACH_BUILD
def test_a_visit_with_each_version_of_the_sdk(stack, page, sdk, version):
    """Nothing is asked of Segment's CDN, `Intercom` is there once the library is ready, and a logout on the next page
    ends the session of this one."""
    page.visit(sdk=sdk, version=version)
    page.run("await new Promise((resolve) => analytics.ready(resolve)); Intercom('show')")
    page.call("page")
    page.call("identify", "u-1", {"name": "Ada", "email": "a@example.com"})
    page.call("track", "Signed Up")
    user = {"user_id": "u-1", "name": "Ada", "email": "a@example.com"}
    assert page.wait_for_told("boot", "show", "update")[2] == {**APP, **user}
    stack.wait_for(lambda: events_of(stack, "u-1") == ["Signed Up"], "the event")
    page.visit(sdk=sdk, version=version, goesOn=True, calls="analytics.reset(); analytics.page()")
    if sdk == "npm":
        page.run("await analytics.reset(); await analytics.page()")
    assert page.wait_for_told("shutdown", "boot")[1] == APP
    page.visit(sdk=sdk, version=version, goesOn=True)
    page.call("page")
    assert page.wait_for_told("boot") == [APP]
    assert names_of(page) == ["boot"]
    assert {url.split("/")[2] for url in page.asked()} == {"widget.intercom.io"}


@EACH_BUILD
def test_parts_that_the_library_loads_on_demand_come_from_the_endpoint(stack, page, sdk):
    """Segment's CDN is out of reach."""
    page.visit(sdk=sdk, query="?ajs_uid=u-1", before=parts_from(stack))
    assert page.wait_for_told("boot") == [{**APP, "user_id": "u-1"}]
    stack.wait_for(lambda: contact(stack, "u-1"), "the user")
    assert {url.split("/")[2] for url in page.asked()} == {"widget.intercom.io"}


NPM = {"appId": "abc123", "apiBase": APP["api_base"]}


@pytest.mark.parametrize(("version", "plugin"), [*((version, None) for version in VERSIONS), ("", NPM)],
                         ids=[*VERSION_IDS, "npm"])
def test_only_what_was_for_intercom_is_told_after_all_middlewares(stack, page, version, plugin):
    page.visit(version=version, **({"plugin": plugin} if plugin else {}))
    page.call("identify", "u-1", {"name": "Ada", "email": "a@example.com", "phone": "1"}, WITHOUT_INTERCOM)
    page.call("page")
    assert page.wait_for_told("boot") == [{**APP, "user_id": "u-1"}]
    assert stack.settle(30)
    assert contact(stack, "u-1") is None
    page.run("""await analytics.addSourceMiddleware(({ payload, next }) => {
        if (payload.obj.userId) payload.obj.userId = "tenant-" + payload.obj.userId
        next(payload)
      })""")
    page.run("""await analytics.addDestinationMiddleware("Intercom", ({ payload, next }) => {
        if (payload.obj.traits) delete payload.obj.traits.email
        next(payload)
      })""")
    page.call("identify", "u-1", {"name": "Ada"})
    page.call("page")
    user = {"user_id": "tenant-u-1", "name": "Ada", "phone": "1"}
    assert page.wait_for_told("shutdown", "boot")[1] == {**APP, **user}
    assert "a@example.com" not in json.dumps(page.told())


def test_what_is_under_way_at_a_logout_brings_nobody_back(stack, page):
    page.visit()
    page.call("page")
    assert page.wait_for_told("boot")
    page.run('analytics.identify({ email: "a@example.com" }); analytics.group("company-1"); await analytics.reset()')
    page.run("await analytics.addSourceMiddleware(({ payload, next }) => new Promise((go) => { window.go = go })"
             ".then(() => next(payload)))")
    page.run('analytics.identify("u-1"); await new Promise((resolve) => setTimeout(resolve, 50));'
             "await analytics.reset(); go()")
    stack.wait_for(lambda: contact(stack, "u-1"), "the user, by the function")
    told = json.dumps(page.told())
    assert not [text for text in ("a@example.com", "company-1", "u-1") if text in told]


def test_a_company_that_was_left_does_not_come_back(stack, page):
    page.visit()
    page.call("identify", "u-1", {"company": {"id": "c1"}})
    page.call("group", "c2")
    page.call("page")
    page.call("identify", "u-1", {"name": "Ada"})
    assert page.wait_for_told("update")[0]["company"] == {"company_id": "c2"}


@EACH_BUILD
def test_the_name_of_segments_destination_for_pages(stack, page, sdk):
    web, cloud = "Intercom Web (Actions)", "Intercom Cloud Mode (Actions)"
    page.visit(sdk=sdk)
    page.call("page", None, None, {}, {"integrations": {web: False}})
    page.call("identify", "u-1", {}, {"integrations": {web: False}})
    assert page.told() == []
    stack.wait_for(lambda: contact(stack, "u-1"), "the function's half")
    page.call("identify", "u-2", {}, {"integrations": {"All": False, web: {"user_hash": "h"}}})
    assert page.wait_for_told("boot") == [{**APP, "user_id": "u-2", "user_hash": "h"}]
    page.call("identify", "u-3", {}, {"integrations": {cloud: False}})
    assert page.wait_for_told("shutdown", "boot")[1] == {**APP, "user_id": "u-3"}
    assert stack.settle(30)
    assert contact(stack, "u-2") is contact(stack, "u-3") is None


# Consent


@pytest.mark.parametrize("whose", ["page", "function"])
@pytest.mark.parametrize("model", ["opt-in", "opt-out"])
def test_consent(stack, page, model, whose):
    """With Segment's consent tools. The categories that Intercom needs are the page's or, by CONSENT_CATEGORIES, the
    function's."""
    wrapped = {"sdk": "consent", "consentModel": model, "consentCategories": ["Support"] if whose == "page" else None}
    with function_with(stack, CONSENT_CATEGORIES="Support" if whose == "function" else ""):
        page.visit(**wrapped, consent={"Support": False})
        page.call("page")
        page.call("identify", "u-1")
        assert (page.told(), page.asked()) == ([], [])
        page.visit(**wrapped, consent={"Support": True})
        page.call("page")
        assert page.wait_for_told("boot") == [APP]
        page.run("changeConsent({ Support: false })")
        assert page.wait_for_told("shutdown") == [[]]
        page.call("identify", "u-2")
        page.call("page")
        assert names_of(page) == ["boot", "shutdown"]
        page.run("changeConsent({ Support: true })")
        page.call("page")
        assert page.wait_for_told("boot") == [{**APP, "user_id": "u-2"}]


@EACH_BUILD
def test_consent_that_the_page_itself_puts_into_events(stack, page, sdk):
    def consent(is_given):
        return {"context": {"consent": {"categoryPreferences": {"Support": is_given}}}}

    with function_with(stack, CONSENT_CATEGORIES="Support"):
        page.visit(sdk=sdk, before=parts_from(stack))
        page.call("page", None, None, {}, consent(False))
        page.call("identify", "u-1", {"name": "Ada"}, consent(False))
        assert (page.told(), page.asked()) == ([], [])
        page.call("identify", "u-1", {"email": "a@example.com"}, consent(True))
        user = {**APP, "user_id": "u-1", "email": "a@example.com"}
        # analytics.js repeats the traits of the calls before.
        # Somebody may have talked on an earlier page.
        assert page.wait_for_told("shutdown", "boot")[1] == {**user, "name": "Ada"}
        page.call("track", "Left", {}, consent(False))
        assert page.wait_for_told("shutdown") == [[]]
        page.call("identify", "u-1", {}, consent(False))
        page.call("track", "Came back", {}, consent(True))
        page.call("page", None, None, {}, consent(True))
        assert page.wait_for_told("boot") == [{**APP, "user_id": "u-1"}]
        assert names_of(page) == ["shutdown", "boot"] * 2
        stack.wait_for(lambda: events_of(stack, "u-1") == ["Came back"], "the event with consent alone")


# Device delivery


def test_device_delivery_with_each_version_of_the_sdk(stack, page):
    with function_with(stack, BROWSER_DELIVERY="device"):
        for sdk, version in [*(("npm", version) for version in VERSIONS), ("snippet", ""), ("snippet", VERSIONS[-1])]:
            page.application.forget()
            page.visit(sdk=sdk, version=version)
            page.call("page")
            page.wait_until_up()
            page.call("identify", "u-1", {"name": "Ada"})
            page.call("track", "Bought")
            page.call("track", "Hidden", {}, {"integrations": {"Intercom Web (Actions)": False}})
            assert page.wait_for_told("update", "trackEvent")[1] == ["Bought", {}]
            assert {url.split("/")[2] for url in page.asked()} == {"widget.intercom.io", "api-iam.intercom.io"}
            sent = {event.get("event", event["type"]): event for event in page.sent()}
            assert sent["Bought"]["_metadata"]["bundled"] == ["Intercom"]
            assert "bundled" not in sent["Hidden"].get("_metadata", {})


@pytest.mark.parametrize("api", ["blocked", 403])
def test_with_device_delivery_the_function_delivers_what_the_messenger_cannot(stack, page, api):
    with function_with(stack, BROWSER_DELIVERY="device"):
        page.visit(api=api)
        page.call("page")
        page.wait_until_up()
        if api == 403:
            page.run("await fetch('https://api-iam.intercom.io/messenger/web/ping', { method: 'POST' })")
            page.run("await new Promise((resolve) => setTimeout(resolve, 100))")
        page.call("identify", "u-1")
        page.call("track", "Bought")
        stack.wait_for(lambda: events_of(stack, "u-1") == ["Bought"], "the event")
        assert "trackEvent" not in names_of(page)


# The page of `make run`


def test_the_demo_page_shows_what_comes_of_each_call(stack, page):
    url = demo.serve(stack, "messenger", is_real=False)
    page.visit(url=url)
    press = "[...document.querySelectorAll('button')].find((each) => each.textContent.endsWith({})).click()"
    listed = "return [...document.querySelectorAll('.entry')].map((each) => each.textContent)"
    for what, outcome in (("Ada", "contact made"), ("not for Intercom", "Nobody was told.")):
        page.run(press.format(repr(what)))
        entries = page.application.wait_for(
            lambda outcome=outcome: (entries := page.run(listed)) and outcome in entries[0] and entries, outcome)
    kept, identify, first = entries
    assert first.startswith("analytics.page()Messengerboot")
    assert "Messengerupdateuser_idpage-ada" in identify and "Functioncontact made: Ada Lovelace" in identify
    assert kept.endswith("Nobody was told.")
