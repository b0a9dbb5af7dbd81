//! How many calls to Intercom's API an event costs, and how well a backlog uses what Intercom
//! allows. Counted at the Intercom simulator, so the machine's speed doesn't matter.

#![expect(clippy::disallowed_methods, reason = "it measures time")]

mod crowded;
mod drain;
mod simulated_time;
mod spent;
mod waiting;
mod workload;

use tokio::runtime::Builder;

fn main() {
    let runtime = |is_simulated| {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(is_simulated).build();
        runtime.expect("a runtime")
    };
    runtime(false).block_on(async {
        spent::print().await;
        drain::print().await;
    });
    runtime(true).block_on(async {
        crowded::print().await;
        waiting::print().await;
    });
}
