// Applies routing rules to events with the engine that analytics.js brings, @segment/tsub: reads lines of
// {"rules": […], "event": {…}}, and prints per line the event that is left, or null.
const { createInterface } = require("node:readline");
const path = require("node:path");

// The build is for browsers; and the package exports no more than its front door.
globalThis.self = globalThis;
const package = path.dirname(require.resolve("@segment/analytics-next/package.json"));
const { tsubMiddleware } = require(path.join(package, "dist/cjs/plugins/routing-middleware"));

async function main() {
  for await (const line of createInterface(process.stdin)) {
    const { rules, event } = JSON.parse(line);
    // It goes on after a rule that drops the event, and analytics.js hears the first answer alone.
    const answers = [];
    const next = (payload) => answers.push(payload && JSON.stringify(payload.obj));
    tsubMiddleware(rules)({ payload: { obj: event }, integration: "Messenger", next });
    console.log(answers[0] ?? "null");
  }
}

main();
