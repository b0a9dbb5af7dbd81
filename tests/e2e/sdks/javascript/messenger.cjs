// Pages with Segment's SDK for browsers and Intercom's Messenger, and a visitor in Chromium: `node messenger.cjs
// SETTINGS`. Does what it reads, one JSON array a line: ["visit", page] opens a page as somebody new, or with `goesOn` as
// the visitor of the page before; ["run", code] runs code in it, ["leave"] closes it. Prints {"answer": …} for each,
// {"sent": …} for what the page posts to the endpoint, and {"asked": …} for what it asks of other hosts. In place of
// Intercom's widget stands one that keeps in window.told what it is told.
const { readFileSync } = require("node:fs");
const { createServer } = require("node:http");
const { createInterface } = require("node:readline");
const { chromium } = require("playwright-core");

const { executablePath, endpoint, writeKey } = JSON.parse(process.argv[2]);
const sdkOf = (version) =>
  require.resolve(`@segment/analytics-next${version ? `-${version}` : ""}/dist/umd/index.js`).replace(/index\.js$/, "");
const WIDGET = `
  window.told ??= [];
  const { q } = window.Intercom;
  window.Intercom = (...call) => { window.told.push(call); };
  q.forEach((call) => window.Intercom(...call));`;
const FLAGS = ["--disable-background-networking", "--disable-component-update", "--disable-gpu", "--no-first-run"];
const print = (line) => console.log(JSON.stringify(line));

// How a page gets the SDK: as a module would import it, or by Segment's snippet with the build of the CDN.
const PAGES = {
  npm: ({ load = {}, plugin, version = "" }) => `<script src="/sdk/${version}/index.js"></script><script type="module">
    const plugins = ${plugin ? `[(await import("${endpoint}/browser/intercom.mjs")).intercom(${JSON.stringify(plugin)})]` : "[]"}
    const settings = ${plugin ? `{ cdnSettings: { integrations: { "Segment.io": { apiKey: "${writeKey}",
      apiHost: "${endpoint.replace(/^\w+:\/\//, "")}/v1", protocol: "http" } } } }` : `{ cdnURL: "${endpoint}" }`}
    window.analytics = AnalyticsNext.AnalyticsBrowser.load({ writeKey: "${writeKey}", plugins, ...settings }, ${JSON.stringify(load)})
    window.isThere = true
    </script>`,
  // With one of Segment's consent wrappers, for which the page's own code decides. The categories that Intercom needs are
  // the page's, or null for those of the settings document.
  consent: ({ consentModel, consent, consentCategories }) => `<script>window.consent = ${JSON.stringify(consent)}</script>
    <script src="/wrapped.js"></script><script>
    window.analytics = wrapped.load("${writeKey}", "${endpoint}", "${consentModel}", ${JSON.stringify(consentCategories)});
    window.isThere = true
    </script>`,
  snippet: ({ calls = "", version = "" }) => `<script>
    window.analytics = [];
    for (const method of ["page", "identify", "group", "track", "reset", "ready", "on", "register", "user",
                          "addSourceMiddleware", "addDestinationMiddleware"]) {
      analytics[method] = (...args) => { analytics.push([method, ...args]); return analytics; };
    }
    analytics._writeKey = "${writeKey}";
    analytics._cdn = "${endpoint}";
    ${calls}
    window.isThere = true;
    </script><script src="/sdk/${version}/standalone.js" async></script>`,
};

// Segment's consent tools, and the SDK in a bundle.
const WRAPPED = `
  import { AnalyticsBrowser } from "@segment/analytics-next";
  import { createWrapper } from "@segment/analytics-consent-tools";
  export function load(writeKey, cdnURL, consentModel, consentCategories) {
    const withConsent = createWrapper({
      shouldLoadSegment: (context) => context.load({ consentModel }),
      getCategories: () => window.consent,
      integrationCategoryMappings: consentCategories ? { Intercom: consentCategories } : undefined,
      registerOnConsentChanged: (change) => { window.changeConsent = (to) => change(window.consent = to); },
    });
    const analytics = new AnalyticsBrowser();
    withConsent(analytics).load({ writeKey, cdnURL }, consentCategories ? { integrations: { Intercom: { consentCategories } } } : {});
    return analytics;
  }`;

async function wrapped() {
  const { build } = require("../../../../browser/node_modules/esbuild");
  const resolveDir = sdkOf("").replace(/node_modules.*/, "");
  const { outputFiles } = await build({
    stdin: { contents: WRAPPED, resolveDir }, bundle: true, format: "iife", globalName: "wrapped", write: false,
    define: { "process.env.NODE_ENV": '"production"' } });
  return outputFiles[0].text;
}

async function visit(browser, server, last, { sdk = "npm", widget = "there", before = "", headers = {}, goesOn, ...options }) {
  const context = goesOn ? last.context() : await browser.newContext();
  const page = await context.newPage();
  if (last) await (goesOn ? last.close() : last.context().close());
  page.on("pageerror", (error) => print({ error: error.message }));
  page.on("console", (message) => message.type() == "warning" && print({ warning: message.text() }));
  page.on("request", (request) => {
    const { host } = new URL(request.url());
    if (host && !host.includes("localhost")) print({ asked: request.url() });
    if (request.method() == "POST" && /\/v1\/[a-z]$/.test(request.url())) print({ sent: JSON.parse(request.postData()) });
  });
  await page.route("https://widget.intercom.io/**", async (route) => {
    print({ widget: route.request().url() });
    if (widget == "blocked") return route.abort("blockedbyclient");
    if (widget == "slow") await new Promise((resolve) => setTimeout(resolve, 1500));
    if (page.isClosed()) return;
    return route.fulfill({ contentType: "text/javascript", body: WIDGET });
  });
  // Whether the Messenger's API can be reached.
  await page.route("https://api-iam.intercom.io/**", (route) =>
    options.api == "blocked" ? route.abort("blockedbyclient") : route.fulfill({ status: options.api ?? 200, body: "{}" }));
  const nonce = /nonce-(\w+)/.exec(headers["content-security-policy"] ?? "")?.[1];
  let html = `<!doctype html><title>Shop</title><script>${before}</script>${PAGES[sdk](options)}`;
  if (nonce) html = html.replaceAll("<script", `<script nonce="${nonce}"`);
  server.page = { html, headers };
  await page.goto(options.url ?? `http://localhost:${server.address().port}/${options.query ?? ""}`);
  await page.waitForFunction(() => window.isThere ?? document.querySelector(".effect.boot"));
  return page;
}

function serve(request, response) {
  const [, version, file] = /^\/sdk\/([^/]*)\/(.*)$/.exec(request.url) ?? [];
  if (!file && request.url != "/wrapped.js") {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8", ...server.page?.headers });
    return response.end(server.page?.html);
  }
  response.writeHead(200, { "content-type": "text/javascript; charset=utf-8" });
  if (file) response.end(readFileSync(sdkOf(version) + file));
  else wrapped().then((text) => response.end(text));
}

const server = createServer(serve);

async function main() {
  await new Promise((resolve) => server.listen(0, "localhost", resolve));
  const browser = await chromium.launch({ executablePath, args: FLAGS, chromiumSandbox: false });
  let page;
  for await (const line of createInterface(process.stdin)) {
    const [command, argument] = JSON.parse(line);
    try {
      if (command == "visit") {
        page = await visit(browser, server, page, argument);
        print({ answer: true });
      } else if (command == "leave") {
        await page?.context().close();
        page = undefined;
        print({ answer: true });
      } else {
        print({ answer: (await page.evaluate(`(async () => { ${argument} })()`)) ?? null });
      }
    } catch (error) {
      print({ answer: { failed: error.message } });
    }
  }
  await browser.close();
  server.close();
}

main();
