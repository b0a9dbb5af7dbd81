// A browser for the console: `node console.cjs SETTINGS`. Does what it reads, one JSON array a line: ["run", code] runs
// code with Playwright's `page` and `context`, ["fresh"] is another visitor. Prints {"answer": …} for each; {"problem": …} for what a page's console
// calls an error, and for requests to other hosts; {"body": …} for what the console answers.
const { readFileSync } = require("node:fs");
const { createInterface } = require("node:readline");
const { chromium } = require("playwright-core");

const { executablePath, hosts } = JSON.parse(process.argv[2]);
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
// A name that somebody else's DNS gives this machine's address.
const FLAGS = ["--disable-background-networking", "--disable-component-update", "--disable-gpu", "--no-first-run",
  "--host-resolver-rules=MAP rebound.example 127.0.0.1"];
// htmx calls it an error when a newer request replaces one (`hx-sync`); a request that failed says htmx:sendError besides.
const REPLACED = /^htmx:(sendAbort|afterRequest)\b/;
const print = (line) => console.log(JSON.stringify(line));

async function axe(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => axe.run({ resultTypes: ["violations"] }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(" | ")}`);
}

async function main() {
  const browser = await chromium.launch({ executablePath, args: FLAGS, chromiumSandbox: false });
  let context, page;
  async function fresh() {
    await context?.close();
    context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    context.setDefaultTimeout(20000);
    page = await context.newPage();
    page.on("console", (message) => {
      if (message.type() == "error" && !REPLACED.test(message.text())) print({ problem: message.text() });
    });
    page.on("pageerror", (error) => print({ problem: error.message }));
    page.on("request", (request) => {
      const { host, protocol } = new URL(request.url());
      if (protocol.startsWith("http") && !hosts.includes(host)) print({ problem: `a request to ${host}` });
    });
    page.on("response", async (response) => {
      const text = await response.text().catch(() => "");
      print({ body: text, path: new URL(response.url()).pathname });
    });
  }
  await fresh();
  for await (const line of createInterface(process.stdin)) {
    const [command, code] = JSON.parse(line);
    try {
      if (command == "fresh") await fresh();
      const run = new Function("page", "context", "axe", `return (async () => { ${code ?? ""} })()`);
      print({ answer: (await run(page, context, axe)) ?? null });
    } catch (error) {
      print({ answer: { failed: error.message } });
    }
  }
  await browser.close();
}

main();
