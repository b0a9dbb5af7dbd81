"""The console in Chromium, on the deployed stack: who gets in, and each of its tabs."""

import html
import http.client
import json
import re
import subprocess
import time
import urllib.parse

import pytest

from application import SDKS, Application
from calls import call, contact, events_of
from console.event_log import EventLog
from environment import CREDENTIALS, LOGS, REGION, clean_environment
from intercom_account import Refused, States
from processes import end_group, end_with_parent
from refusals import put_secret
from stack import STACK_NAME
from test_sdk_node import NODE_MODULES
from tools import ROOT, TOOLS, browser, why_no_javascript

COMMAND = [TOOLS / "console" / "bin" / "python", ROOT / "local" / "console", "--stack", STACK_NAME]
TABS = ["overview", "test", "events", "dead-letters", "connection", "messenger"]
KINDS = ["identify", "track", "group", "page", "screen", "alias", "delete"]
# What a sender may call a thing.
HOSTILE = ["<script>document.title = 'hostile'</script>", "🎉" * 255, "\u202eabc\u202c אבג", "\x1b[31mred\x1b[0m"]
READ_ONLY = ["cloudformation:Describe*", "cloudformation:GetTemplateSummary", "logs:FilterLogEvents",
             "lambda:GetFunctionConfiguration", "cloudwatch:DescribeAlarms", "sqs:GetQueueAttributes"]


class Console:
    """A console in a process of its own, with these AWS credentials."""

    def __init__(self, stack, credentials=CREDENTIALS):
        environment = {
            **clean_environment(), "AWS_ENDPOINT_URL": stack.emulator_url, "AWS_REGION": REGION, **credentials}
        self.stack, self.log = stack, LOGS / "console.log"
        with open(self.log, "wb") as output:
            self.process = subprocess.Popen(
                [*COMMAND, "--port", "0"],
                env=environment, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True, preexec_fn=end_with_parent)
        self.first_link = self._links(1)[-1]
        self.host = urllib.parse.urlsplit(self.first_link).netloc
        self.origin = f"http://{self.host}"

    def link(self):
        """A new link."""
        count = len(self._links(1))
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return self._links(count + 1)[-1]

    def _links(self, count):
        def printed():
            assert self.process.poll() is None, self.log.read_text()
            links = re.findall(r"http://\S+token=\S+", self.log.read_text())
            return links if len(links) >= count else None
        return self.stack.wait_for(printed, "a link", 60)

    def get(self, path="/overview", method="GET", body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.stack.request(method, self.origin + path, body, headers)

    def close(self):
        end_group(self.process)


class Page:
    """The page that a browser shows; `run` takes code with Playwright's `page`."""

    def __init__(self, application, console):
        self.application, self.console = application, console

    def run(self, code, command="run"):
        count = len(self.application.printed("answer"))
        self.application.do(command, code)
        answer = self.application.wait_for(lambda: self.application.printed("answer")[count:], code)[0]
        assert not (isinstance(answer, dict) and "failed" in answer), answer["failed"]
        return answer

    def open(self, path):
        self.run(f"await page.goto({json.dumps(self.console.origin + path)})")
        return self

    def see(self, text, within="main"):
        """Waits until a text is shown."""
        self.run(f"await page.locator({json.dumps(within)}).getByText({json.dumps(text)}).first().waitFor()")
        return self

    def click(self, name, twice=False, role="button"):
        """Clicks what is called so; twice where the first click only asks."""
        options = json.dumps({"name": name, "exact": True})
        self.run(f"await page.getByRole({json.dumps(role)}, {options}).first().click()")
        if twice:
            self.run("await page.locator('[data-armed]').first().click()")
        return self

    def fill(self, selector, value):
        self.run(f"await page.locator({json.dumps(selector)}).first().fill({json.dumps(value)})")
        return self

    def text(self, selector="main"):
        return self.run(f"return await page.locator({json.dumps(selector)}).first().innerText()")

    def problems(self):
        return self.application.printed("problem")


@pytest.fixture(scope="module")
def console(running_stack):
    if reason := why_no_javascript():
        pytest.skip(reason)
    if not browser():
        pytest.skip("Chromium is missing: install it (Debian: `apt install chromium`, which `make test` does as root)")
    console = Console(running_stack)
    yield console
    console.close()


@pytest.fixture(scope="module")
def running_page(running_stack, console):
    hosts = [console.host, running_stack.simulator.base_url.removeprefix("http://")]
    settings = {"executablePath": browser(), "hosts": hosts}
    with Application(running_stack, ["node", SDKS / "javascript" / "console.cjs"], settings, NODE_MODULES) as running:
        page = Page(running, console)
        page.run(f"await page.goto({json.dumps(console.link())})")
        yield page
        # Of all tests: what browsers call an error, and what nobody may be shown.
        assert running.printed("problem") == []


@pytest.fixture
def page(running_page, stack):
    put_secret(stack, stack.secret)
    stack.simulator._call("POST", "settings", {"region": "US", "oauth_denied": False, "identity_verification": False})
    return running_page


# Who gets in


def test_only_the_link_opens_it_and_only_once(stack, console):
    assert console.get().status == 403
    assert console.get("/?token=wrong").status == 403
    link = console.link().removeprefix(console.origin)
    opened = console.stack.request("GET", console.origin + link)
    assert "set-cookie" not in opened.headers  # urllib went on to the page, without the cookie
    assert b"The console is locked" in opened.body
    assert b"It was used already" in console.get(link).body


def test_a_page_of_somebody_else_gets_nothing(stack, console):
    cookie = session_of(console)
    assert console.get(cookie=cookie).status == 200
    for refused in (
        {"host": "rebound.example"}, {"host": f"rebound.example:{console.host.partition(':')[2]}"},
        {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}, {"cookie": "other=1"},
    ):
        assert console.get(**{"cookie": cookie, **refused}).status == 403, refused
    proof = re.search(r'name="console" content="([^"]+)"', console.get(cookie=cookie).body.decode())[1]
    ours = {"cookie": cookie, "origin": console.origin, "x_console": proof}
    assert console.get("/test/preview", "POST", b"event=", **ours).status == 200
    for changed in (
        {"origin": "http://rebound.example"}, {"origin": "null"}, {"x_console": "guessed"}, {"x_console": ""},
    ):
        answer = console.get("/connection/disconnect", "POST", b"", **{**ours, **changed})
        assert answer.status == 403, changed
    assert console.get("/connection/disconnect", "POST", b"", **{**ours, "cookie": ""}).status == 401
    assert console.get("/connection/disconnect", cookie=cookie).status == 405
    assert stored(stack)["access_token"]


def session_of(console):
    """The cookie of a new session."""
    connection = http.client.HTTPConnection(console.host)
    connection.request("GET", console.link().removeprefix(console.origin))
    answer = connection.getresponse()
    cookie = answer.headers["set-cookie"]
    assert answer.status == 303 and "HttpOnly" in cookie and "SameSite=Strict" in cookie
    connection.close()
    return cookie.partition(";")[0]


def test_a_name_that_was_rebound_and_a_foreign_form_in_the_browser(page):
    port = page.console.host.partition(":")[2]
    seen = page.run(f"""
        const other = await context.newPage()
        const answer = await other.goto("http://rebound.example:{port}/overview")
        const text = await other.content()
        await other.goto("about:blank")
        await other.setContent('<form method="post" action="{page.console.origin}/connection/disconnect">' +
          '<button>x</button></form>')
        const [posted] = await Promise.all([other.waitForResponse(() => true), other.click("button")])
        await other.close()
        return [answer.status(), text.includes("the Host is not this console"), posted.status()]""")
    assert seen == [403, True, 403]
    assert stored(page.console.stack)["access_token"]


# Overview


def test_overview_says_which_workspace_and_what_contradicts_the_settings(stack, page):
    stack.send("/v1/identify", call("identify", "u-1"))
    stack.simulator._call("POST", "settings", {"region": "Europe", "identity_verification": True,
                                               "attribute_writes_allowed": False})
    try:
        put_secret(stack, {**stack.secret, "api_secret": ""})
        # One that remembers nothing of Intercom yet.
        console = Console(stack)
        try:
            said = html.unescape(console.get("/overview/workspace", cookie=session_of(console)).body.decode())
        finally:
            console.close()
        for contradiction in (
            "The workspace is in Europe, but INTERCOM_REGION is us.",
            "INTERCOM_APP_ID is abc123, so pages show the Messenger of another workspace",
            "The workspace asks for identity verification, but the secret has no api_secret.",
            "Write data attributes",
        ):
            assert contradiction in said
        page.open("/overview").see("Intercom simulator")
        page.see("Retry queue").see("latency, p95").see("RetryMaxSeconds")
    finally:
        stack.simulator._call("POST", "settings", {"attribute_writes_allowed": True})


# Test


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_of_each_kind_is_previewed_and_sent(stack, page, kind):
    page.open("/test")
    page.run(f"await page.locator('[name=kind]').selectOption('{kind}')")
    page.run(f"await page.waitForFunction(() => document.getElementById('event').value.includes('\"{kind}\"'))")
    page.see("would be", "#preview")
    page.click("Send", twice=True)
    page.run("await page.locator('#sent .tries .pill').first().waitFor()")
    assert page.text("#sent .verdict .pill") in ("delivered", "skipped", "waiting", "queued")
    if kind == "identify":
        page.see("POST /contacts", "#sent .calls")
        assert contact(stack, "user-1")
        page.run("await page.getByRole('link', { name: 'Open the contact in Intercom' }).waitFor()")


def test_what_is_typed_is_previewed_with_warnings_beside_their_lines(page):
    page.open("/test").see("would be", "#preview")
    event = {"type": "identify", "userId": "u-1", "traits": {"plan": None, "name": "Ada"}}
    page.fill("#event", json.dumps(event, indent=2))
    page.see('trait "plan" left out', "#preview").see("line 5", "#preview")
    page.fill("#event", "{\n  nonsense")
    page.see("Line 2, column 3", "#preview")
    page.fill("#event", json.dumps(event))
    page.see("would be delivered", "#preview")
    page.click("Save as test case").see("A case for tests/mapping/cases")
    (case,) = json.loads(page.run("return await page.locator('#test-case').inputValue()"))
    assert case["event"] == event and case["expect"]["status"] == "would_deliver"
    page.click("Copy as curl").see("For a terminal, with WRITE_KEY set")
    assert "/v1/identify" in page.run("return await page.locator('#curl').inputValue()")


# Events


def test_an_event_is_found_by_its_message_id_and_by_its_user(stack, page):
    event, other = call("track", "ada@example.com", event="Signed Up"), call("identify", "somebody else")
    stack.send("/v1/batch", {"batch": [call("identify", "ada@example.com"), event, other]})
    page.open("/events").see(event["messageId"])
    page.fill("[name=message_id]", event["messageId"])
    page.run("await page.waitForFunction(() => document.querySelectorAll('tbody tr').length == 1)")
    page.fill("[name=message_id]", "").fill("[name=user]", "ada@example.com")
    page.run("await page.waitForFunction(() => document.querySelectorAll('tbody tr').length == 2)")
    page.click(event["messageId"], role="link").see("What was tried").see("POST /events", ".calls")


def test_twenty_thousand_lines_are_read_once_and_by_their_parts():
    now = int(time.time() * 1000)
    lines = [
        {"eventId": str(number), "timestamp": now - 20_000 + number, "message": json.dumps({"fields": {
            "message": "event", "message_id": f"m-{number}", "status": "delivered" if number % 100 else "rejected",
            "kind": "track", "reason": "plan must be text", "latency_ms": number}})}
        for number in range(20_000)]
    asked = []

    class Stack:
        def outputs(self):
            return {"LogGroupName": "log"}

        def call(self, permission, **arguments):
            asked.append(permission)
            since, until = arguments["startTime"], arguments.get("endTime", now + 1)
            start = int(arguments.get("nextToken", 0))
            found = [line for line in lines if since <= line["timestamp"] <= until]
            more = {"nextToken": str(start + 10_000)} if start + 10_000 < len(found) else {}
            return {"events": found[start:start + 10_000], **more}

    log = EventLog(Stack())
    log.refresh()
    assert len(log.events) == 20_000
    assert len(log.found(status="rejected", reason="PLAN")) == 200
    assert [event.id for event in log.found(message_id="m-19999")] == ["m-19999"]
    before = len(asked)
    log.refresh()
    assert len(asked) - before <= 2 and len(log.events) == 20_000


# Dead letters


def test_a_rejected_event_is_edited_and_retried_until_intercom_has_it(stack, page):
    bad = call("track", "u-1", event="")
    stack.send("/v1/identify", call("identify", "u-1"))
    stack.send("/v1/track", bad)
    stack.wait_for(lambda: stack.dead_letter_count() == 1, "the letter")
    page.open("/dead-letters").see(bad["messageId"])
    page.click(bad["messageId"], role="link").see("would be rejected", "#preview")
    page.fill("#event", json.dumps({**bad, "event": "Repaired"}, indent=2)).see("would be delivered", "#preview")
    page.click("Retry as it stands here", twice=True).see("1 sent to the retry queue as edited")
    stack.wait_for(lambda: events_of(stack, "u-1") == ["Repaired"], "the event")
    page.open("/dead-letters").see("No dead letters.")


def test_letters_are_dropped_and_exported_together(stack, page):
    for number in range(3):
        stack.send("/v1/track", call("track", f"u-{number}", event=""))
    stack.wait_for(lambda: stack.dead_letter_count() == 3, "the letters")
    page.open("/dead-letters").see("all 3 shown")
    exported = page.run("return await (await fetch('/dead-letters/export')).text()".replace(
        "await (await fetch(", "await page.evaluate(async () => (await fetch(").replace(")).text()", ")).text())"))
    assert len(exported.splitlines()) == 3
    page.run("await page.locator('[data-all]').check()")
    page.click("Drop").see("Really drop them for good?")
    assert stack.dead_letter_count() == 3
    page.run("await page.locator('[data-armed]').click()")
    page.see("3 dropped.").see("No dead letters.")
    assert stack.dead_letter_count() == 0


@pytest.mark.parametrize("name", HOSTILE, ids=["script", "emoji", "right-to-left", "ansi"])
def test_a_hostile_name_is_text(stack, page, name):
    event = call("track", name, event="", traits={}) | {"messageId": name[:100]}
    stack.send("/v1/track", event)
    stack.wait_for(lambda: stack.dead_letter_count() == 1, "the letter")
    page.open("/events").see("rejected", "table")
    page.open("/dead-letters").see("all 1 shown")
    page.run("await page.locator('td.id a').first().click()")
    page.see("The event").see("would be rejected", "#preview")
    assert "hostile" not in page.run("return await page.title()")
    assert not set("\x1b\u202e") & set(page.text())
    width = page.run("return await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])")
    assert width[0] <= width[1]


# Connection


def stored(stack):
    client = stack.aws("secretsmanager")
    return json.loads(client.get_secret_value(SecretId=stack.outputs["SecretArn"])["SecretString"])


def begin_oauth(page, secret="simulator-app-secret"):
    page.open("/connection").fill("[name=client_id]", "simulator-app").fill("[name=client_secret]", secret)
    page.click("Connect with Intercom")
    page.run("await page.waitForURL('**/connection/callback**')")


def test_a_token_is_checked_before_it_is_stored(stack, page):
    page.open("/connection").fill("[name=access_token]", "no-such-token").click("Check and store")
    page.see("Intercom refuses the token")
    assert stored(stack) == stack.secret
    page.fill("[name=access_token]", "simulator-token").click("Check and store").see("Connected to Intercom simulator.")
    assert {**stored(stack), "console": None} == {**stack.secret, "console": None}


def test_connected_and_disconnected_by_oauth(stack, page):
    begin_oauth(page)
    page.see("Connected")
    token = stored(stack)["access_token"]
    assert token.startswith("oauth-")
    callback = page.run("return page.url()").removeprefix(page.console.origin)
    assert b"this answer was used already" in page.console.get(callback).body
    page.click("Back to the console", role="link").see("by OAuth")
    page.click("Disconnect", twice=True).see("Not connected")
    assert {**stored(stack), "access_token": stack.secret["access_token"], "console": None} == {
        **stack.secret, "console": None}
    refused = {"authorization": f"Bearer {token}", "accept": "application/json", "intercom-version": "2.16"}
    assert stack.request("GET", f"{stack.simulator.base_url}/me", headers=refused).status == 401


def test_oauth_that_is_denied_or_of_another_region_stores_nothing(stack, page):
    stack.simulator._call("POST", "settings", {"oauth_denied": True})
    begin_oauth(page)
    page.see("access was denied at Intercom")
    stack.simulator._call("POST", "settings", {"oauth_denied": False, "region": "Australia"})
    begin_oauth(page)
    page.see("deploy it with IntercomRegion=au")
    stack.simulator._call("POST", "settings", {"region": "US"})
    begin_oauth(page, "wrong")
    page.see("Intercom gave no token for its code")
    assert stored(stack) == stack.secret
    made_up = page.console.get("/connection/callback?code=x&state=1.2.3").body
    assert b"this answer is to no question of ours" in made_up


def test_a_state_is_taken_once_and_within_ten_minutes():
    now = [1000.0]
    states = States(lambda: now[0])
    first, second = states.make("a"), states.make("b")
    assert states.take(first) == "a"
    now[0] += 601
    for state, why in ((first, "used already"), (second, "ten minutes"), (first + "0", "no question")):
        with pytest.raises(Refused, match=why):
            states.take(state)


def test_keys_are_added_and_removed_and_never_shown_again(stack, page):
    page.open("/connection")
    page.run("""const card = page.locator("section", { hasText: "for servers" })
        await card.getByLabel("Name", { exact: true }).fill("the shop")
        await card.getByRole("button", { name: "Add" }).click()
        await page.locator("#made").waitFor()""")
    key = page.text("#made")
    assert stored(stack)["write_keys"] == [key, *stack.secret["write_keys"]]
    page.open("/connection").see("the shop").see(f"…{key[-4:]}")
    assert key not in page.text()
    page.run("""const card = page.locator("section", { hasText: "with which Segment signs" })
        await card.getByRole("button", { name: "Rotate" }).click()
        await page.locator("#made").waitFor()""")
    assert stored(stack)["webhook_secret"][1:] == [stack.secret["webhook_secret"]]
    page.open("/connection").see("the shop")
    page.run("""const button = page.getByRole("button", { name: /^Remove the shop/ })
        await button.click()
        await page.locator("[data-armed]").click()
        await page.getByText("Removed.").waitFor()""")
    assert stored(stack)["write_keys"] == stack.secret["write_keys"]


def test_connect_and_disconnect_in_a_terminal(stack, page):
    def terminal(verb, text=""):
        environment = {**clean_environment(), **CREDENTIALS, "AWS_ENDPOINT_URL": stack.emulator_url,
                       "AWS_REGION": REGION}
        return subprocess.run(
            [*COMMAND, verb],
            env=environment, input=text, capture_output=True, text=True, timeout=60)

    refused = terminal("connect", "no-such-token\n")
    assert refused.returncode == 1 and "Intercom refuses the token" in refused.stderr
    assert "Disconnected" in terminal("disconnect").stdout
    assert "access_token" not in stored(stack)
    assert "Connected to Intercom simulator" in terminal("connect", "simulator-token\n").stdout
    assert {**stored(stack), "console": None} == {**stack.secret, "console": None}


# What these credentials may not do


def test_read_only_credentials_see_what_is_missing(stack, page):
    iam, name = stack.aws("iam"), "reader"
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": READ_ONLY, "Resource": "*"}]}
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}]}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=json.dumps(policy))
    given = stack.aws("sts").assume_role(RoleArn=role, RoleSessionName=name)["Credentials"]
    console = Console(stack, {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"]})
    try:
        cookie = session_of(console)
        test = console.get("/test", cookie=cookie).body.decode()
        assert re.search(r'id="send"[^>]* disabled', test)
        assert "lack <code>lambda:InvokeFunction</code>" in test
        assert "secretsmanager:GetSecretValue" in console.get("/connection", cookie=cookie).body.decode()
        assert "sqs:ReceiveMessage" in console.get("/dead-letters/list", cookie=cookie, hx_request="true").body.decode()
        assert "Status" in console.get("/events", cookie=cookie).body.decode()
        assert "Retry queue" in console.get("/overview/queues", cookie=cookie).body.decode()
    finally:
        console.close()
        iam.delete_role_policy(RoleName=name, PolicyName="read")
        iam.delete_role(RoleName=name)


# All pages


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_no_page_has_an_accessibility_error_or_is_too_wide(stack, page, width, scheme):
    stack.send("/v1/batch", {"batch": [call("identify", "u-1"), call("track", "u-1", event="")]})
    stack.wait_for(lambda: stack.dead_letter_count() == 1, "the letter")
    page.run(f"await page.setViewportSize({{ width: {width}, height: 900 }}); "
             f"await page.emulateMedia({{ colorScheme: '{scheme}' }})")
    try:
        for tab in TABS:
            page.open(f"/{tab}")
            page.run("await page.waitForFunction(() => !document.querySelector('.skeleton'))")
            assert page.run("return await axe(page)") == [], tab
            wide = page.run("return await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)")
            assert wide <= 0, tab
    finally:
        page.run("await page.setViewportSize({ width: 1280, height: 900 })")


def test_nobody_was_shown_a_token_or_a_key(stack, page):
    page.open("/connection").see("Write keys")
    bodies = [body for body in page.application.printed("body") if 'id="made"' not in body]
    assert len(bodies) > 5
    for secret in (stack.secret["access_token"], stack.secret["api_secret"], *stack.secret["write_keys"],
                   *stack.secret["public_write_keys"], "simulator-app-secret"):
        assert not [body for body in bodies if secret in body]
        assert secret not in page.console.log.read_text()
