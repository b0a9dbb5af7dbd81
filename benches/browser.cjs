// The plugin in a page: sizes, and the time from the start of the page to the boot of the Messenger, beside that until
// analytics.js alone is ready. Everything comes from this machine: what is measured is the browser's work.
const { readFileSync } = require("node:fs");
const { createServer } = require("node:http");
const { join } = require("node:path");
const { gzipSync } = require("node:zlib");
const { chromium } = require("playwright-core");

const RUNS = 20;
const DIST = join(__dirname, "..", "browser", "dist");
const SDK = require.resolve("@segment/analytics-next/dist/umd/index.js").replace(/index\.js$/, "");
const settings = (origin, hasMessenger) => ({
  integrations: { "Segment.io": { apiKey: "k", apiHost: `${origin.slice(7)}/v1`, protocol: "http" }, ...(hasMessenger && { Intercom: { appId: "abc123" } }) },
  remotePlugins: hasMessenger ? [{ name: "Intercom", creationName: "Intercom", libraryName: "segmentIntercom", url: `${origin}/dist/intercom.js`, settings: {} }] : [],
});
const PAGE = `<!doctype html><script>window.analytics = { _cdn: location.origin }</script><script src="/analytics-next/bundles/index.js"></script><script>
  const cdnURL = location.origin + location.pathname.slice(0, -1);
  AnalyticsNext.AnalyticsBrowser.load({ writeKey: "k", cdnURL }).page().then(() => { window.paged = performance.now() });
</script>`;
const WIDGET = "const { q } = Intercom; window.Intercom = () => {}; if (q.some(([method]) => method == 'boot')) window.booted = performance.now()";

const server = createServer(({ url, headers }, response) => {
  const origin = `http://${headers.host}`;
  const answer = (type, body) => response.writeHead(200, { "content-type": type, "access-control-allow-origin": "*" }).end(body);
  if (url.includes("/settings")) return answer("application/json", JSON.stringify(settings(origin, url.startsWith("/with"))));
  if (url.startsWith("/dist/")) return answer("text/javascript", readFileSync(join(DIST, url.slice(6))));
  if (url.startsWith("/analytics-next/")) return answer("text/javascript", readFileSync(join(SDK, url.split("/").pop())));
  return url.startsWith("/v1") ? answer("application/json", "{}") : answer("text/html", PAGE);
});

const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1].toFixed(0);

async function measure(browser, url, variable) {
  const times = [];
  for (let run = 0; run < RUNS; run++) {
    const page = await (await browser.newContext()).newPage();
    await page.route("https://widget.intercom.io/**", (route) => route.fulfill({ contentType: "text/javascript", body: WIDGET }));
    await page.goto(url);
    await page.waitForFunction(`window.${variable}`);
    times.push(await page.evaluate(`window.${variable}`));
    await page.context().close();
  }
  return median(times);
}

async function main() {
  for (const [name, file] of [["intercom.js", DIST], ["intercom.mjs", DIST], ["intercom-device.mjs", DIST], ["index.js", SDK]]) {
    const text = readFileSync(join(file, name));
    console.log(`${(file == SDK ? "analytics-next" : name).padEnd(20)} ${String(text.length).padStart(7)} bytes, ${String(gzipSync(text).length).padStart(6)} with gzip`);
  }
  await new Promise((resolve) => server.listen(0, "localhost", resolve));
  const origin = `http://localhost:${server.address().port}`;
  const browser = await chromium.launch({ executablePath: process.argv[2], args: ["--disable-gpu"], chromiumSandbox: false });
  console.log(`\nmilliseconds from the start of the page, median of ${RUNS}`);
  console.log(`analytics-next alone, first page sent    ${await measure(browser, `${origin}/without/`, "paged")}`);
  console.log(`with the plugin, first page sent         ${await measure(browser, `${origin}/with/`, "paged")}`);
  console.log(`with the plugin, the Messenger has boot  ${await measure(browser, `${origin}/with/`, "booted")}`);
  await browser.close();
  server.close();
}

main();
