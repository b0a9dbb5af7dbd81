//! How many calls to Intercom's API an event costs, and how well a backlog uses what Intercom
//! allows. Counted at the Intercom simulator, so the machine's speed doesn't matter.

#![expect(clippy::disallowed_methods, reason = "it measures time")]

mod drain;
mod spent;
mod workload;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    spent::print().await;
    drain::print().await;
}
