//! Instances that share Intercom's rate limit, in simulated time: how much of it they use and
//! how often they are refused, however late Intercom names the window's reset.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use http::HeaderMap;
use segment_intercom::intercom::{Admission, RateLimit};

const LIMIT: u64 = 167;
const WINDOW_MILLIS: u64 = 10_000;
const LATENCY_MILLIS: u64 = 100;
/// Calls that an instance makes side by side.
const WORKERS: usize = 10;
/// When it begins: within a window.
const START_MILLIS: u64 = 1_800_000_004_320;
const STEP_MILLIS: usize = 5;
/// How many windows it goes on for.
const WINDOWS: usize = 14;

#[derive(Clone, Copy)]
enum Worker {
    /// Asks for a call then.
    Idle(u64),
    /// Its call, sent then, reaches Intercom half a latency later, and so the answer.
    Sent(u64),
    /// The answer arrives then: what remains, and the reset (Unix seconds).
    Answered {
        sent: u64,
        arrives: u64,
        remaining: u64,
        reset: u64,
        is_refused: bool,
    },
}

/// What became of the windows that count.
struct Drained {
    /// Share of the allowance of whole windows that was used.
    used: f64,
    /// Share of the calls that were refused.
    refused: f64,
}

fn time(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

fn headers(remaining: u64, reset: u64) -> HeaderMap {
    let pairs = [("limit", LIMIT), ("remaining", remaining), ("reset", reset)];
    let headers = pairs.into_iter().map(|(name, number)| {
        let name = format!("x-ratelimit-{name}").parse().expect("a name");
        (name, number.into())
    });
    headers.collect()
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// `late` says by how many seconds a reset is named late in the window of this number.
fn drain(instances: usize, late: impl Fn(u64) -> u64, seed: u64) -> Drained {
    let mut rng = Rng::with_seed(seed);
    let mut limits = vec![RateLimit::default(); instances];
    let mut workers = vec![[Worker::Idle(START_MILLIS); WORKERS]; instances];
    // Calls taken and refused by window.
    let mut windows: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let end = START_MILLIS + WINDOWS as u64 * WINDOW_MILLIS;
    for now in (START_MILLIS..end).step_by(STEP_MILLIS) {
        for (limit, workers) in limits.iter_mut().zip(&mut workers) {
            for worker in workers {
                match *worker {
                    Worker::Idle(due) if now >= due => {
                        let millis =
                            |wait: Duration| 1 + u64::try_from(wait.as_millis()).expect("fits");
                        *worker = match limit.admit(time(now), rng.f64()) {
                            Admission::Now => Worker::Sent(now),
                            Admission::Later(wait) => Worker::Idle(now + millis(wait)),
                            // Messages of the queue come back one after the other.
                            Admission::Closed(wait) => {
                                Worker::Idle(now + millis(wait) + rng.u64(..500))
                            }
                        };
                    }
                    Worker::Sent(sent) if now >= sent + LATENCY_MILLIS / 2 => {
                        let window = now / WINDOW_MILLIS;
                        let (taken, refused) = windows.entry(window).or_default();
                        let remaining = LIMIT - *taken;
                        if remaining == 0 {
                            *refused += 1;
                        } else {
                            *taken += 1;
                        }
                        let number = window - START_MILLIS / WINDOW_MILLIS;
                        let reset = (window + 1) * WINDOW_MILLIS / 1000 + late(number);
                        let arrives = sent + LATENCY_MILLIS;
                        *worker = Worker::Answered {
                            sent,
                            arrives,
                            remaining,
                            reset,
                            is_refused: remaining == 0,
                        };
                    }
                    Worker::Answered {
                        sent,
                        arrives,
                        remaining,
                        reset,
                        is_refused,
                    } if now >= arrives => {
                        let headers = headers(remaining, reset);
                        limit.answered(&headers, is_refused, time(sent), time(now));
                        limit.ended();
                        *worker = Worker::Idle(now);
                    }
                    _ => {}
                }
            }
        }
    }
    // The first window, in which no instance knows of the others, and the last aren't whole, and
    // the second is the one to learn from.
    let whole = windows.into_values().skip(2).take(WINDOWS - 2);
    let (taken, refused): (Vec<u64>, Vec<u64>) = whole.unzip();
    let (count, taken, refused) = (taken.len() as u64, taken.iter().sum(), refused.iter().sum());
    Drained {
        used: share(taken, LIMIT * count),
        refused: share(refused, taken + refused),
    }
}

#[test]
fn the_allowance_is_used_however_late_the_reset_is_named() {
    let mut all = Vec::new();
    for instances in [1, 2, 4, 10] {
        for late in [0, 2, 6] {
            for seed in 0..3 {
                let Drained { used, refused } = drain(instances, |_| late, seed);
                all.push((instances, late, seed, used, refused));
            }
        }
    }
    let bad = all
        .iter()
        .filter(|(.., used, refused)| *used < 0.95 || *refused >= 0.01);
    assert_eq!(
        bad.count(),
        0,
        "(instances, late, seed, used, refused): {all:#?}"
    );
}

#[test]
fn what_was_learned_is_given_up_when_it_is_true_no_more() {
    for seed in 0..3 {
        let change = |window| if window < 5 { 6 } else { 2 };
        let Drained { used, refused } = drain(4, change, seed);
        // The change itself costs some calls.
        assert!(used > 0.9 && refused < 0.02, "{used} {refused}");
    }
}
