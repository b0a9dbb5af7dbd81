// The plugin in a page: sizes, requests, and the time from the start of the page to the widget's first call, beside
// analytics.js alone and beside Segment's own destination for pages, Intercom Web (Actions). `node browser.cjs BROWSER
// SEGMENTS`, where SEGMENTS is a folder with that destination as Segment's CDN has it. Everything comes from this machine:
// what is measured is the browser's work at a quarter of its speed, and 40 ms a request.
const { readFileSync } = require("node:fs");
const { createServer } = require("node:http");
const { join } = require("node:path");
const { gzipSync } = require("node:zlib");
const { chromium } = require("playwright-core");

const [browserPath, segments] = process.argv.slice(2);
const RUNS = 15;
const LATENCY_MILLIS = 40;
const CPU_SLOWDOWN = 4;
const DIST = join(__dirname, "..", "browser", "dist");
const SDK = require.resolve("@segment/analytics-next/dist/umd/index.js").replace(/index\.js$/, "");
const SEGMENTS_SCRIPT = "intercom/ab34cf004146d3c93f5c.js";

const ACTIONS = [["identifyUser", 'type = "identify" or type = "page"'], ["trackEvent", 'type = "track"']];
const PLUGINS = {
  without: () => undefined,
  with: (origin) => ({ libraryName: "segmentIntercom", url: `${origin}/dist/intercom.js`, settings: { appId: "abc123" } }),
  segments: (origin) => ({ libraryName: "intercomDestination", url: `${origin}/destinations/${SEGMENTS_SCRIPT}`, settings: {
    appId: "abc123", versionSettings: { componentTypes: [] },
    subscriptions: ACTIONS.map(([partnerAction, subscribe]) => ({ name: partnerAction, partnerAction, subscribe, enabled: true, mapping: {} })),
  } }),
};

function settings(origin, kind) {
  const plugin = PLUGINS[kind](origin);
  const name = "Intercom Web (Actions)";
  return {
    integrations: {
      "Segment.io": { apiKey: "k", apiHost: `${origin.slice(7)}/v1`, protocol: "http" },
      // As Segment's own settings have it for each destination.
      ...(kind == "segments" && { [name]: plugin.settings }),
    },
    remotePlugins: plugin ? [{ name, creationName: name, ...plugin }] : [],
  };
}

const PAGE = `<!doctype html><script>window.analytics = { _cdn: location.origin }</script><script src="/analytics-next/bundles/index.js"></script><script>
  const cdnURL = location.origin + location.pathname.slice(0, -1);
  AnalyticsNext.AnalyticsBrowser.load({ writeKey: "k", cdnURL }).page().then(() => { window.paged = performance.now() });
</script>`;
// The widget's first call that says who is there.
const WIDGET = `{
  const { q } = Intercom;
  window.Intercom = (method) => { if (method == "boot" || method == "update") window.called ??= performance.now() };
  q.forEach(([method]) => Intercom(method));
  window.Intercom.booted = true;
}`;

const server = createServer(({ url, headers }, response) => {
  const origin = `http://${headers.host}`;
  const answer = (type, body) => setTimeout(() =>
    response.writeHead(200, { "content-type": type, "access-control-allow-origin": "*", "access-control-allow-headers": "*" }).end(body), LATENCY_MILLIS);
  if (url.includes("/settings")) return answer("application/json", JSON.stringify(settings(origin, url.split("/")[1])));
  if (url.startsWith("/dist/")) return answer("text/javascript", readFileSync(join(DIST, url.slice(6))));
  if (url.startsWith("/destinations/")) return answer("text/javascript", readFileSync(join(segments, url.slice("/destinations/".length))));
  if (url.startsWith("/analytics-next/")) return answer("text/javascript", readFileSync(join(SDK, url.split("/").pop())));
  return url.startsWith("/v1") ? answer("application/json", "{}") : answer("text/html", PAGE);
});

const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];

/** Milliseconds until `variable` is there, and the requests until then. */
async function visit(browser, url, variable) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const network = await context.newCDPSession(page);
  await network.send("Emulation.setCPUThrottlingRate", { rate: CPU_SLOWDOWN });
  let requests = 0;
  page.on("request", () => { requests += 1; });
  await page.route("https://widget.intercom.io/**", async (route) => {
    await new Promise((resolve) => setTimeout(resolve, LATENCY_MILLIS));
    await route.fulfill({ contentType: "text/javascript", body: WIDGET });
  });
  await page.goto(url);
  await page.waitForFunction(`window.${variable}`);
  const millis = await page.evaluate(`window.${variable}`);
  await context.close();
  return { millis, requests };
}

async function main() {
  const files = [["intercom.js", DIST], ["intercom.mjs", DIST], ["intercom-device.mjs", DIST], ["index.js", SDK]];
  if (segments) files.push([SEGMENTS_SCRIPT, segments], ["688/bfba63ca3870acbc5783.js", segments]);
  for (const [name, folder] of files) {
    const text = readFileSync(join(folder, name));
    const what = folder == SDK ? "analytics-next" : folder == DIST ? name : `Segment's ${name.split("/")[0]}`;
    console.log(`${what.padEnd(20)} ${String(text.length).padStart(7)} bytes, ${String(gzipSync(text).length).padStart(6)} with gzip`);
  }
  await new Promise((resolve) => server.listen(0, "localhost", resolve));
  const origin = `http://localhost:${server.address().port}`;
  const browser = await chromium.launch({ executablePath: browserPath, args: ["--disable-gpu"], chromiumSandbox: false });
  const rows = [["analytics-next alone, first page sent", "without", "paged"], ["with the plugin, first page sent", "with", "paged"],
    ["with the plugin, the widget's first call", "with", "called"]];
  if (segments) rows.push(["with Segment's plugin, the widget's first call", "segments", "called"]);
  // In turn, so that whatever else the machine does meets all of them.
  const visits = rows.map(() => []);
  for (let run = 0; run < RUNS; run++) {
    for (const [row, [, kind, variable]] of rows.entries()) visits[row].push(await visit(browser, `${origin}/${kind}/`, variable));
  }
  console.log(`\nfrom the start of the page, median of ${RUNS}, ${LATENCY_MILLIS} ms a request, processor at 1/${CPU_SLOWDOWN}`);
  const medians = visits.map((each) => median(each.map(({ millis }) => millis)));
  for (const [row, [what]] of rows.entries()) {
    console.log(`${what.padEnd(48)} ${medians[row].toFixed(0).padStart(5)} ms, ${median(visits[row].map(({ requests }) => requests))} requests`);
  }
  if (segments) console.log(`the plugin's time is ${(medians[2] / medians[3]).toFixed(2)} of Segment's`);
  await browser.close();
  server.close();
}

main();
