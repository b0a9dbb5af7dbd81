// An application with Segment's SDK for Node.js: `node node.cjs SETTINGS`. Makes the calls that it
// reads, one JSON array a line such as ["track", {…}], and prints a line of JSON per answer and
// per event that the SDK gives up.
const { createInterface } = require("node:readline");
const { Analytics } = require("@segment/analytics-node");

const print = (line) => console.log(JSON.stringify(line));
const analytics = new Analytics(JSON.parse(process.argv[2]));
analytics.on("http_response", ({ status, headers }) => {
  print({ status, retry_after: headers["retry-after"] });
});
analytics.on("error", ({ reason }) => print({ gave_up: String(reason) }));

async function main() {
  for await (const line of createInterface(process.stdin)) {
    const [method, ...parameters] = JSON.parse(line);
    await analytics[method](...parameters);
  }
  await analytics.closeAndFlush();
}

main();
