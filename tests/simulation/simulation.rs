//! One world: its instances, its queue, its clock, and what goes wrong in it.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use fastrand::Rng;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use intercom_simulator::{ClockMode, ContactSnapshot, Fault, Settings, Simulator, TakenEmails};
use segment_intercom::clock::Clock;
use segment_intercom::function::Function;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::circumstances::Circumstances;
use crate::history::{Before, User};
use crate::senders::Sender;
use crate::verdict;
use test_support::batch_call;
use test_support::fifo_queue::{Batch, Message};
use test_support::function::{invoke, put_together};
use test_support::in_process::{self, Aws};
use test_support::simulated_aws::SimulatedAwsState;

/// Where Intercom's clock starts. It lies in the past, so that no rate window, of which
/// Intercom's answers tell the end, lasts in real time.
const START_UNIX_SECONDS: u64 = 1_760_000_000;

/// Invocations under way at once at most, each on an instance of its own.
const INSTANCES: usize = 4;

/// Share of invocations that are killed.
const KILLED: f64 = 0.06;

/// Share of SQS batches of which SQS doesn't notice that they are done.
const NOT_DELETED: f64 = 0.05;

/// From this many waiting messages on, none of them is doubled: with a failure rate like this one each
/// double would have doubled again before its wait is over.
const MOST_DOUBLES: usize = 5;

/// Share of calls to SQS that fail.
const SQS_FAILURES: f64 = 0.03;

/// Share of messages that SQS doesn't take, though it takes others of the same call.
const SQS_REFUSALS: f64 = 0.01;

/// Share of invocations after which the instance is frozen for minutes, and what it remembers
/// grows old.
const FROZEN: f64 = 0.1;

/// Share of events that Intercom rejects, so that they become dead letters. Events alone: they
/// carry their own time, and may come after later ones.
const REJECTED: f64 = 0.1;

/// Share of moments in which somebody moves all dead letters back. Most come twice and more
/// within five minutes.
const REDRIVES: f64 = 0.1;

/// Share of moments in which the keys are rotated, once in a world.
const ROTATIONS: f64 = 0.02;

/// Share of new contacts and companies that somebody else makes at the same moment.
const RACES: f64 = 0.05;

/// A user who was merged into a stranger, and then deleted by Segment.
const MERGED_USER: &str = "merged";

/// Share of Intercom's calls that fail, over all kinds.
const INTERCOM_FAILURES: f64 = 0.2;

/// How long an invocation that is killed goes on at most.
const KILLED_WITHIN: Duration = Duration::from_secs(4);

/// Longest that a call may be under way: before this no time is skipped.
const LAST_CALL: Duration = Duration::from_secs(40);

/// How long a call takes that is slower than Intercom's clients wait.
const SLOW_SECONDS: f64 = 12.0;

/// More invocations than any world needs.
const TOO_MANY: usize = 20_000;

/// Time since the world's beginning: that of the runtime, in which invocations run, and that which
/// was skipped because every instance was frozen.
#[derive(Debug)]
struct WallClock {
    started: Instant,
    skipped_millis: AtomicU64,
}

impl WallClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the runtime's time, which stands still until the simulation lets it pass"
    )]
    fn new() -> Self {
        Self {
            started: Instant::now(),
            skipped_millis: AtomicU64::new(0),
        }
    }

    fn now(&self) -> Duration {
        let skipped = self.skipped_millis.load(Ordering::Relaxed);
        self.started.elapsed() + Duration::from_millis(skipped)
    }

    /// Now, as the function sees it.
    fn date(&self) -> DateTime<Utc> {
        let start = DateTime::from_timestamp_secs(START_UNIX_SECONDS.cast_signed());
        start.expect("a date") + self.now()
    }

    fn skip(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).expect("no eternity");
        self.skipped_millis.fetch_add(millis, Ordering::Relaxed);
    }
}

/// `DELIVERY_MODE`, and how the senders behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Several senders, each sending the next batch as soon as the last one was taken.
    Queue,
    /// One sender, who sends the next batch when nothing of the last one is left in the queue
    /// whose order matters.
    Inline,
}

/// The function's instances, their senders, AWS and Intercom, and the time that passes for them.
pub(crate) struct Simulation {
    mode: Mode,
    rng: Rng,
    intercom: Simulator,
    aws: Aws,
    clock: Arc<WallClock>,
    senders: Vec<Sender>,
    /// Users who were deleted for good: their events wait until they are given up.
    gone: HashSet<String>,
    idle: Vec<Function>,
    /// Instances that can't be used before some time.
    frozen: Vec<(Duration, Function)>,
    invocations: usize,
    problems: Vec<String>,
}

/// What an invocation is about.
enum Work {
    /// The next request of this sender.
    Request(usize),
    Redelivery(Batch),
    /// Events that wait.
    Waiting(Batch),
}

/// How an invocation ended.
struct Ended {
    work: Work,
    /// None when it was killed.
    answer: Option<(Function, Value)>,
}

type UnderWay = FuturesUnordered<Pin<Box<dyn Future<Output = Ended>>>>;

impl Simulation {
    /// Lets a world run to its end; gives back all that is wrong then, and the calls that Intercom
    /// got.
    pub(crate) async fn run(seed: u64, mode: Mode) -> (Vec<String>, Vec<String>) {
        // The function's own random numbers.
        fastrand::seed(seed);
        let mut rng = Rng::with_seed(seed);
        let (users, senders) = match mode {
            Mode::Queue => (200, 3),
            Mode::Inline => (100, 1),
        };
        let circumstances = Circumstances::of(seed);
        let users = (0..users).map(|n| User::random(n, circumstances, &mut rng));
        let mut users: Vec<User> = users.collect();
        users.push(User::busy(users.len(), &mut rng));
        let senders = (0..senders).map(|sender| {
            let theirs = users.iter().skip(sender).step_by(senders);
            Sender::of(&theirs.collect::<Vec<_>>(), &mut rng)
        });
        let mut senders: Vec<Sender> = senders.collect();
        let merged = json!({"type": "delete", "messageId": "merged", "userId": MERGED_USER});
        senders[0].requests.push_back(vec![merged]);
        let clock = Arc::new(WallClock::new());
        let of_aws = Arc::clone(&clock);
        let mut world = Self {
            mode,
            clock,
            senders,
            gone: gone(circumstances, &users),
            intercom: intercom(seed, circumstances, &users),
            aws: Aws(Arc::new(Mutex::new(SimulatedAwsState::new(
                move || of_aws.now(),
                seed,
            )))),
            rng,
            idle: Vec::new(),
            frozen: Vec::new(),
            invocations: 0,
            problems: Vec::new(),
        };
        {
            let mut aws = world.aws.state();
            (aws.failure_rate, aws.refusal_rate) = (SQS_FAILURES, SQS_REFUSALS);
        }
        let strangers = verdict::strangers(&world.intercom);
        let stuck = world.live().await.err();
        let requests = world.intercom.requests();
        let calls = requests
            .iter()
            .map(|request| format!("{} {} {}", request.at, request.method, request.path))
            .collect();
        if let Some(stuck) = stuck {
            world.problems.push(stuck);
            return (world.problems, calls);
        }
        let mut problems = verdict::problems(&users, circumstances, &world.intercom, &strangers);
        problems.append(&mut world.problems);
        let held = world.aws.state().retry.held();
        problems.extend(verdict::held_too_long(&users, &held));
        (problems, calls)
    }

    async fn live(&mut self) -> Result<(), String> {
        let mut under_way = UnderWay::new();
        loop {
            if under_way.len() < INSTANCES
                && let Some(work) = self.next_work(under_way.is_empty())
            {
                under_way.push(self.start(work));
                let pause = Duration::from_millis(self.rng.u64(..2000));
                if let Ok(Some(ended)) = tokio::time::timeout(pause, under_way.next()).await {
                    self.settle(ended);
                }
            } else {
                match under_way.next().await {
                    Some(ended) => self.settle(ended),
                    None => match self.next_moment() {
                        Some(pause) => self.pass(pause).await,
                        None if self.redrive() => {}
                        None => return Ok(()),
                    },
                }
            }
            if self.rng.f64() < REDRIVES {
                self.redrive();
            }
            if self.rng.f64() < ROTATIONS {
                self.aws.state().is_rotated = true;
            }
            if self.invocations > TOO_MANY {
                let left = self.aws.state().retry.len();
                let about: Vec<String> = self
                    .aws
                    .state()
                    .retry
                    .messages()
                    .take(3)
                    .map(|m| format!("{} {}", m.group_id, m.body))
                    .collect();
                return Err(format!(
                    "no end in sight, {left} messages are left, the first of them {about:#?}"
                ));
            }
        }
    }

    /// Moves the dead letters back; false when there are none. Each must be one of those that
    /// Intercom rejected. What can never work stays away.
    fn redrive(&mut self) -> bool {
        let mut aws = self.aws.state();
        aws.dead_letter
            .retain(|message| !is_final(message, &self.gone));
        let records = aws.dead_letter.messages();
        let unexpected = records.filter(|m| m.attributes["status"]["StringValue"] != "422");
        let unexpected = unexpected.map(|m| format!("dead letter: {m:?}"));
        self.problems.extend(unexpected);
        // What is wrong would come back for ever.
        let is_any = !aws.dead_letter.is_empty() && self.problems.is_empty();
        if is_any {
            aws.redrive();
        }
        is_any
    }

    /// Nothing is under way: what Intercom is still busy with ends, and all else is skipped, while
    /// every instance is frozen.
    async fn pass(&self, time: Duration) {
        let waited = time.min(LAST_CALL);
        tokio::time::sleep(waited).await;
        let skipped = time.saturating_sub(waited);
        self.clock.skip(skipped);
        self.intercom.advance(skipped);
    }

    /// Time until something can be done. None when all is done.
    fn next_moment(&self) -> Option<Duration> {
        let now = self.clock.now();
        let waiting = self.senders.iter().filter(|s| !s.requests.is_empty());
        let due = waiting.map(|sender| sender.due).filter(|due| *due > now);
        let aws = self.aws.state();
        let visible = aws.retry.next_visible(now, |_| true);
        // An event whose user never comes doesn't keep the world going.
        let comes = |message: &Message| !self.gone.contains(&user_of(message));
        let waiting = aws.waiting.next_visible(now, comes);
        let next = due.chain(visible).chain(waiting).min()?;
        Some(next.saturating_sub(now))
    }

    fn next_work(&mut self, is_idle: bool) -> Option<Work> {
        if self.rng.bool() {
            let request = self.next_request(is_idle);
            request.or_else(|| self.next_batch())
        } else {
            let batch = self.next_batch();
            batch.or_else(|| self.next_request(is_idle))
        }
    }

    fn next_request(&mut self, is_idle: bool) -> Option<Work> {
        let now = self.clock.now();
        let may_send = match self.mode {
            Mode::Queue => true,
            Mode::Inline => is_idle && !self.aws.state().retry.messages().any(needs_order),
        };
        let ready = |sender: &Sender| {
            may_send && !sender.is_waiting && sender.due <= now && !sender.requests.is_empty()
        };
        let ready = (0..self.senders.len()).filter(|place| ready(&self.senders[*place]));
        let ready: Vec<usize> = ready.collect();
        let sender = *self.rng.choice(&ready)?;
        self.senders[sender].is_waiting = true;
        Some(Work::Request(sender))
    }

    fn next_batch(&mut self) -> Option<Work> {
        let now = self.clock.now();
        let mut aws = self.aws.state();
        if self.rng.bool() {
            let batch = aws.waiting.receive(now, &mut self.rng);
            if !batch.is_empty() {
                return Some(Work::Waiting(batch));
            }
        }
        let batch = aws.retry.receive(now, &mut self.rng);
        if !batch.is_empty() {
            return Some(Work::Redelivery(batch));
        }
        let batch = aws.waiting.receive(now, &mut self.rng);
        (!batch.is_empty()).then_some(Work::Waiting(batch))
    }

    fn start(&mut self, work: Work) -> Pin<Box<dyn Future<Output = Ended>>> {
        self.invocations += 1;
        let payload = match &work {
            Work::Request(sender) => {
                let request = self.senders[*sender].requests.front().expect("a request");
                let keys = self.aws.state().keys();
                batch_call(keys, &request.iter().collect::<Vec<_>>())
            }
            Work::Redelivery(batch) | Work::Waiting(batch) => batch.payload(),
        };
        let now = self.clock.now();
        let thawed = self.frozen.extract_if(.., |(until, _)| *until <= now);
        self.idle.extend(thawed.map(|(_, instance)| instance));
        let instance = if self.idle.is_empty() {
            self.another_instance()
        } else {
            self.idle.swap_remove(self.rng.usize(..self.idle.len()))
        };
        let is_killed = self.rng.f64() < KILLED && self.may_double(&work);
        let limit = if is_killed {
            KILLED_WITHIN.mul_f64(self.rng.f64().powi(3))
        } else {
            Duration::MAX
        };
        Box::pin(async move {
            let invocation = Box::pin(invoke(&instance, &payload));
            let answer = tokio::time::timeout(limit, invocation).await.ok();
            let answer = answer.map(|answer| answer.expect("an answer"));
            Ended {
                work,
                answer: answer.map(|answer| (instance, answer)),
            }
        })
    }

    fn another_instance(&mut self) -> Function {
        let mode = match self.mode {
            Mode::Queue => "queue",
            Mode::Inline => "inline",
        };
        let variables = [
            ("DELIVERY_MODE", mode),
            ("RETRY_BASE_SECONDS", "1"),
            ("RETRY_MAX_SECONDS", "600"),
            ("ANONYMOUS", "lead"),
            // A sender that has to repeat its requests makes the others wait for hours.
            ("UNKNOWN_USER_SECONDS", "43200"),
        ];
        let clock = Arc::clone(&self.clock);
        let clock = Clock::new(move || clock.date());
        let url = "https://intercom.example";
        let intercom = in_process::intercom(&self.intercom, self.rng.u64(..));
        put_together(&variables, url, intercom, url, self.aws.clone(), clock)
    }

    /// Whether messages may come again that were done with. Those that wait are sent anew with each
    /// try, so that doubles would make ever more doubles.
    fn may_double(&self, work: &Work) -> bool {
        !matches!(work, Work::Waiting(_)) || self.aws.state().waiting.len() < MOST_DOUBLES
    }

    fn settle(&mut self, ended: Ended) {
        let Ended { work, answer } = ended;
        let is_doubled = self.may_double(&work);
        let answer = answer.map(|(instance, answer)| {
            if self.rng.f64() < FROZEN {
                let minutes = Duration::from_mins(self.rng.u64(1..20));
                self.frozen.push((self.clock.now() + minutes, instance));
            } else {
                self.idle.push(instance);
            }
            answer
        });
        match work {
            Work::Request(sender) => {
                let now = self.clock.now();
                // Where the queue still knows an event, it drops it when it comes again.
                let pause = match self.mode {
                    Mode::Queue if self.rng.u32(..4) > 0 => self.rng.u64(1..60),
                    _ => self.rng.u64(301..900),
                };
                let sender = &mut self.senders[sender];
                sender.is_waiting = false;
                match answer.map(|answer| answer["statusCode"].as_u64()) {
                    // 400: each of them is rejected, with a record.
                    Some(Some(200 | 400)) => drop(sender.requests.pop_front()),
                    Some(Some(503)) | None => sender.due = now + Duration::from_secs(pause),
                    Some(other) => panic!("a request was answered {other:?}"),
                }
            }
            Work::Redelivery(ref batch) | Work::Waiting(ref batch) => {
                if let Some(answer) = answer {
                    let mut done = batch.done(&answer);
                    if self.rng.f64() < NOT_DELETED && is_doubled {
                        done.truncate(self.rng.usize(..=done.len()));
                    }
                    let now = self.clock.now();
                    let mut aws = self.aws.state();
                    match work {
                        Work::Waiting(_) => aws.waiting.delete(&done, now),
                        _ => aws.retry.delete(&done, now),
                    }
                }
            }
        }
    }
}

fn gone(circumstances: Circumstances, users: &[User]) -> HashSet<String> {
    let deleted = users.iter().filter(|user| user.is_deleted());
    let gone = deleted.filter(|_| !circumstances.deleted_users_return);
    gone.map(|user| user.id.clone()).collect()
}

/// Whether a dead letter is one that can never work: an event of a user who was deleted for good,
/// or the deletion of one who was merged into another.
fn is_final(message: &Message, gone: &HashSet<String>) -> bool {
    let reason = message.attributes["reason"]["StringValue"].as_str();
    let reason = reason.unwrap_or_default();
    let of_gone = reason.contains("was deleted for good")
        || (reason.starts_with("given up") && reason.contains("does not know the event's user"));
    (of_gone && gone.contains(&user_of(message))) || reason.contains("was merged into")
}

/// The user of a message's events.
fn user_of(message: &Message) -> String {
    let body: Value = serde_json::from_str(&message.body).expect("our own envelope");
    let event = body["events"].get(0).unwrap_or(&body["event"]);
    let user = event["userId"].as_str().or(event["anonymousId"].as_str());
    user.unwrap_or_default().to_owned()
}

/// Tracks carry their own time, and may wait for an identify that is still to be sent.
fn needs_order(message: &Message) -> bool {
    let body: Value = serde_json::from_str(&message.body).expect("our own envelope");
    let several = body["events"].as_array();
    let events = several.map_or(std::slice::from_ref(&body["event"]), Vec::as_slice);
    events.iter().any(|event| event["type"] != "track")
}

/// Intercom with whom it knows before, slow to search, and failing in every way.
fn intercom(seed: u64, circumstances: Circumstances, users: &[User]) -> Simulator {
    let intercom = Simulator::start(Settings {
        search_lag_seconds: 60,
        rate_limit: 1_000_000,
        taken_emails: circumstances.taken_emails,
        deleted_users_may_return: circumstances.deleted_users_return,
        clock: ClockMode::Runtime {
            start_unix_seconds: START_UNIX_SECONDS,
        },
        ..Settings::default()
    });
    for user in users {
        match user.before {
            Before::Unknown => continue,
            Before::User | Before::ArchivedUser => intercom.seed_contact(json!({"role": "user",
                "external_id": user.id, "name": "Before",
                "archived": user.before == Before::ArchivedUser})),
            Before::EmailOnly(role) => {
                intercom.seed_contact(json!({"role": role, "email": user.email()}))
            }
        };
    }
    for number in 0..verdict::STRANGERS {
        intercom.seed_contact(json!({"role": "user", "name": "Stranger",
            "external_id": format!("stranger-{number}"),
            "email": format!("stranger-{number}@example.com")}));
    }
    let contacts = intercom.state().contacts;
    let is_stranger = |contact: &&ContactSnapshot| contact.name.as_deref() == Some("Stranger");
    let stranger = contacts.iter().find(is_stranger).expect("a stranger");
    let stranger = &stranger.id;
    let merged = Fault::status(410).code("contact_merged");
    let merged = merged.header(
        "Link",
        &format!("</contacts/{stranger}>; rel=\"canonical\""),
    );
    let path = format!("/contacts/find_by_external_id/{MERGED_USER}");
    intercom.add_fault(merged.on("GET", &path));
    let race = |race: Fault, path: &str| {
        intercom.add_fault(race.on("POST", path).probability(RACES, seed));
    };
    race(Fault::race(400), "/companies");
    race(Fault::race(404).code("company_not_found"), "/companies");
    race(Fault::race(409).code("resource_conflict"), "/companies");
    race(Fault::race(400).code(""), "/companies");
    // Where emails are refused, nobody could tell any more whose a contact with an email alone is.
    if circumstances.taken_emails != TakenEmails::Refused {
        race(Fault::race(409), "/contacts");
        race(
            Fault::race(404).code("not_found").message("User Not Found"),
            "/contacts",
        );
    }
    let rejected = Fault::status(422).code("parameter_invalid");
    let rejected = rejected.on("POST", "/events").probability(REJECTED, seed);
    intercom.add_fault(rejected);
    let kinds = [
        Fault::status(500),
        Fault::status(500).after(),
        Fault::status(503),
        Fault::status(503).after(),
        Fault::status(429),
        Fault::status(408),
        Fault::status(408).after(),
        Fault::reset(),
        Fault::reset().after(),
        Fault::hang(SLOW_SECONDS),
        Fault::hang(SLOW_SECONDS).after(),
        Fault::status(429).without_rate_limit_headers(),
        Fault::status(429).retry_after(3),
        Fault::status(200).page("<html>").after(),
        Fault::status(200).page("<html>"),
    ];
    let mut rng = Rng::with_seed(seed);
    let mut left = 1.0;
    for kind in kinds {
        // Only those calls reach a rule that none before it applied to.
        let share = INTERCOM_FAILURES / 15.0;
        let fault = kind.probability(share / left, rng.u64(..));
        intercom.add_fault(fault);
        left -= share;
    }
    intercom
}
