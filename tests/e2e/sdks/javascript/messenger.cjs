// Pages with Segment's SDK for browsers and Intercom's Messenger, and a visitor in Chromium: `node messenger.cjs
// SETTINGS`. Does what it reads, one JSON array a line: ["visit", page] opens a page as somebody new, ["run", code] runs
// code in it, ["leave"] closes it. Prints {"answer": …} for each, and {"sent": …} for what the page posts to the endpoint. In place of Intercom's
// widget stands one that keeps in window.told what it is told.
const { readFileSync } = require("node:fs");
const { createServer } = require("node:http");
const { createInterface } = require("node:readline");
const { chromium } = require("playwright-core");

const { executablePath, endpoint, writeKey } = JSON.parse(process.argv[2]);
const SDK = require.resolve("@segment/analytics-next/dist/umd/index.js").replace(/index\.js$/, "");
const WIDGET = `
  window.told ??= [];
  const { q } = window.Intercom;
  window.Intercom = (...call) => { window.told.push(call); };
  q.forEach((call) => window.Intercom(...call));`;
const FLAGS = ["--disable-background-networking", "--disable-component-update", "--disable-gpu", "--no-first-run"];
const print = (line) => console.log(JSON.stringify(line));

// How a page gets the SDK: as a module would import it, or by Segment's snippet with the build of the CDN.
const PAGES = {
  npm: ({ load = {}, plugin }) => `<script src="/sdk/index.js"></script><script type="module">
    const plugins = ${plugin ? `[(await import("${endpoint}/browser/intercom.mjs")).intercom(${JSON.stringify(plugin)})]` : "[]"}
    const settings = ${plugin ? `{ cdnSettings: { integrations: { "Segment.io": { apiKey: "${writeKey}",
      apiHost: "${endpoint.replace(/^\w+:\/\//, "")}/v1", protocol: "http" } } } }` : `{ cdnURL: "${endpoint}" }`}
    window.analytics = AnalyticsNext.AnalyticsBrowser.load({ writeKey: "${writeKey}", plugins, ...settings }, ${JSON.stringify(load)})
    window.isThere = true
    </script>`,
  snippet: ({ calls = "" }) => `<script>
    window.analytics = [];
    for (const method of ["page", "identify", "group", "track", "reset", "ready", "on", "register", "user"]) {
      analytics[method] = (...args) => { analytics.push([method, ...args]); return analytics; };
    }
    analytics._writeKey = "${writeKey}";
    analytics._cdn = "${endpoint}";
    ${calls}
    window.isThere = true;
    </script><script src="/sdk/standalone.js" async></script>`,
};

async function visit(browser, server, { sdk = "npm", widget = "there", before = "", headers = {}, ...options }) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.on("pageerror", (error) => print({ error: error.message }));
  page.on("console", (message) => message.type() == "warning" && print({ warning: message.text() }));
  page.on("request", (request) => {
    if (request.method() == "POST" && /\/v1\/[a-z]$/.test(request.url())) print({ sent: JSON.parse(request.postData()) });
  });
  await page.route("https://widget.intercom.io/**", async (route) => {
    print({ widget: route.request().url() });
    if (widget == "blocked") return route.abort("blockedbyclient");
    if (widget == "slow") await new Promise((resolve) => setTimeout(resolve, 1500));
    if (page.isClosed()) return;
    return route.fulfill({ contentType: "text/javascript", body: WIDGET });
  });
  // Parts of the library, which the endpoint redirects to Segment's CDN.
  await page.route(/\/analytics-next\/bundles\//, (route) =>
    route.fulfill({ contentType: "text/javascript", body: readFileSync(SDK + route.request().url().split("/").pop()) }));
  const nonce = /nonce-(\w+)/.exec(headers["content-security-policy"] ?? "")?.[1];
  let html = `<!doctype html><title>Shop</title><script>${before}</script>${PAGES[sdk](options)}`;
  if (nonce) html = html.replaceAll("<script", `<script nonce="${nonce}"`);
  server.page = { html, headers };
  await page.goto(`http://localhost:${server.address().port}/`);
  await page.waitForFunction(() => window.isThere);
  return page;
}

function serve(request, response) {
  if (!request.url.startsWith("/sdk/")) {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8", ...server.page?.headers });
    return response.end(server.page?.html);
  }
  response.writeHead(200, { "content-type": "text/javascript; charset=utf-8" });
  response.end(readFileSync(SDK + request.url.slice("/sdk/".length)));
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
        await page?.context().close();
        page = await visit(browser, server, argument);
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
