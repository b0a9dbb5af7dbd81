// An application with RudderStack's SDK for Node.js: `node rudderstack.cjs SETTINGS`. Makes the calls
// that it reads, one JSON array a line such as ["track", {…}], and prints a line of JSON per answer
// and when the SDK gives up.
const { createInterface } = require("node:readline");
const Analytics = require("@rudderstack/rudder-sdk-node");

const print = (line) => console.log(JSON.stringify(line));
const { writeKey, ...options } = JSON.parse(process.argv[2]);
const gaveUp = (error) => print({ gave_up: String(error) });
const analytics = new Analytics(writeKey, { ...options, errorHandler: gaveUp });
const status = ({ status }) => print({ status });
analytics.axiosInstance.interceptors.response.use(
  (answer) => (status(answer), answer),
  (error) => (error.response && status(error.response), Promise.reject(error)),
);

/** The SDK takes dates for times. */
function withDates(call) {
  return call.timestamp ? { ...call, timestamp: new Date(call.timestamp) } : call;
}

async function main() {
  for await (const line of createInterface(process.stdin)) {
    const [method, call] = JSON.parse(line);
    analytics[method](withDates(call));
  }
  await analytics.flush().catch(gaveUp);
}

main();
