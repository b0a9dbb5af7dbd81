//! Intercom, SQS and instances whose time passes as they wait for it, so that hours take minutes
//! and the machine's speed doesn't matter.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use intercom_simulator::{ClockMode, Fault, Settings, Simulator};
use segment_intercom::clock::Clock;
use segment_intercom::function::Function;
use test_support::fifo_queue::{Batch, FifoQueue};
use test_support::function::{invoke, put_together};
use test_support::in_process::{self, Aws};
use test_support::simulated_aws::SimulatedAwsState;
use tokio::time::Instant;

const START_UNIX_SECONDS: u64 = 1_760_000_000;

/// What Intercom allows an app, 10,000 calls a minute, in a window of ten seconds.
pub(crate) const ALLOWANCE: usize = 1_667;
pub(crate) const WINDOW: Duration = Duration::from_secs(10);

/// How long Intercom takes to answer, beside 60 ms of the network on average.
const LATENCY: Duration = Duration::from_millis(90);

/// Between the end of an invocation and the next batch: the poller receives and deletes.
const BETWEEN_BATCHES: Duration = Duration::from_millis(30);

/// How long a poller that found nothing goes on looking.
const POLL: Duration = Duration::from_millis(500);

pub(crate) struct World {
    pub(crate) intercom: Simulator,
    pub(crate) aws: Aws,
    start: Instant,
}

impl World {
    pub(crate) fn new() -> Self {
        let intercom = Simulator::start(Settings {
            rate_limit: ALLOWANCE as u64,
            reset_late_seconds: 2,
            clock: ClockMode::Runtime {
                start_unix_seconds: START_UNIX_SECONDS,
            },
            ..Settings::default()
        });
        intercom.add_fault(Fault::hang(LATENCY.as_secs_f64()));
        let start = Instant::now();
        let aws = SimulatedAwsState::new(move || start.elapsed(), 0);
        Self {
            intercom,
            aws: Aws(Arc::new(Mutex::new(aws))),
            start,
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn clock(&self) -> Clock {
        in_process::clock(self.start, START_UNIX_SECONDS)
    }

    pub(crate) fn instance(&self, variables: &[(&str, &str)], seed: u64) -> Function {
        let clock = self.clock();
        let url = "https://intercom.example";
        let intercom = in_process::intercom(&self.intercom, seed);
        put_together(variables, url, intercom, url, self.aws.clone(), clock)
    }

    /// One instance, handed the queue's batches one after another, while `goes_on` says so.
    pub(crate) async fn work(
        &self,
        instance: Function,
        queue: impl Fn(&mut SimulatedAwsState) -> &mut FifoQueue,
        goes_on: impl Fn(&FifoQueue, Duration) -> bool,
    ) {
        let mut rng = Rng::with_seed(0);
        loop {
            tokio::time::sleep(BETWEEN_BATCHES).await;
            let now = self.elapsed();
            let batch: Batch = {
                let mut aws = self.aws.state();
                let queue = queue(&mut aws);
                if !goes_on(queue, now) {
                    return;
                }
                queue.receive(now, &mut rng)
            };
            if batch.is_empty() {
                tokio::time::sleep(POLL).await;
                continue;
            }
            let answer = invoke(&instance, &batch.payload()).await;
            let done = batch.done(&answer.expect("an answer"));
            queue(&mut self.aws.state()).delete(&done, self.elapsed());
        }
    }
}
