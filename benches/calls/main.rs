//! How many calls of Intercom's API events cost, and how well a backlog uses what Intercom
//! allows. Counted at the Intercom simulator, so the machine's speed doesn't matter.

mod drain;
mod spent;
mod workload;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    spent::print().await;
    drain::print().await;
}
