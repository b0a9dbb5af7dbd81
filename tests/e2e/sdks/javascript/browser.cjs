// A shop with Segment's SDK for browsers, and a visitor in Chromium: `node browser.cjs SETTINGS`.
// Does what it reads, one JSON array a line: ["visit"] opens a page with the SDK, ["leave"] one
// without, and anything else is a call of the page, such as ["track", "Signed Up"]. Prints a line
// of JSON per answer, and on leaving what the SDK keeps for the next visit.
const { readFileSync } = require("node:fs");
const { createServer } = require("node:http");
const { createInterface } = require("node:readline");
const { chromium } = require("playwright-core");

const { executablePath, sdk, load } = JSON.parse(process.argv[2]);
const FLAGS = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-gpu",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
];
const FILES = {
  "/": `<!doctype html><title>Shop</title><script src="/analytics.js"></script>
    <script>const analytics = AnalyticsNext.AnalyticsBrowser.load(...${JSON.stringify(load)})</script>`,
  "/elsewhere": "<!doctype html><title>Elsewhere</title>",
  "/analytics.js": readFileSync(require.resolve(`${sdk}/dist/umd/index.js`)),
};
const print = (line) => console.log(JSON.stringify(line));

function serve(request, response) {
  const type = request.url.endsWith(".js") ? "text/javascript" : "text/html";
  response.writeHead(request.url in FILES ? 200 : 404, { "content-type": `${type}; charset=utf-8` });
  response.end(FILES[request.url]);
}

// Playwright itself hides preflights.
async function printAnswers(page) {
  const network = await page.context().newCDPSession(page);
  await network.send("Network.enable");
  network.on("Network.responseReceived", ({ type, response }) => {
    const path = new URL(response.url).pathname.replace(/.*(?=\/v1\/)/, "");
    if (type === "Preflight") print({ preflight: path });
    if (type === "Fetch") print({ path, status: response.status });
  });
}

function keptForTheNextVisit() {
  const queues = Object.keys(localStorage).filter((key) => key.endsWith(":items"));
  return queues.flatMap((key) => JSON.parse(localStorage[key]).map(({ event }) => event));
}

function call([method, ...parameters]) {
  analytics[method](...parameters);
}

async function main() {
  const server = createServer(serve);
  await new Promise((resolve) => server.listen(0, "localhost", resolve));
  const shop = `http://localhost:${server.address().port}`;
  const browser = await chromium.launch({ executablePath, args: FLAGS, chromiumSandbox: false });
  const page = await browser.newPage();
  page.on("pageerror", (error) => print({ error: error.message }));
  await printAnswers(page);
  for await (const line of createInterface(process.stdin)) {
    const command = JSON.parse(line);
    if (command[0] === "visit") {
      await page.goto(shop);
    } else if (command[0] === "leave") {
      await page.goto(`${shop}/elsewhere`);
      print({ kept: await page.evaluate(keptForTheNextVisit) });
    } else {
      await page.evaluate(call, command);
    }
  }
  await browser.close();
  server.close();
}

main();
