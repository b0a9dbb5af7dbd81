//! The worst shapes of events, from 1 KB to 500 KB: the time that reading and mapping takes has
//! to be linear in the bytes. Fails when a byte of a larger event costs much more than one of a
//! smaller.

#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::fmt::Write;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use segment_intercom::entry::Entry;
use segment_intercom::http_api::{entries_of_array, parse_call};
use segment_intercom::mapping::{Arrival, Budget, Channel, Nested, Sender, Settings, map};
use segment_intercom::segment::IgnoredUserIds;
use segment_intercom::source::Source;

const SIZES_KB: [usize; 4] = [1, 8, 64, 500];

/// How many times as much a byte of a larger event may cost. What doesn't fit the processor's caches
/// any more, such as 500 KB of nested lists, costs three times as much; what grows with the square of
/// the bytes costs eight times as much at 500 KB as at 64.
const MOST_TIMES_THE_COST: f64 = 4.0;

const ARRIVAL: Arrival = Arrival {
    received_at_millis: 1_763_899_200_000,
    source: Source::Webhook,
    sender: Sender {
        channel: Channel::Server,
        is_verified: false,
    },
};

/// A part of an object or list, the nth of many.
type Part = fn(usize) -> String;

/// What stands around the parts, with `@` in their place, and one of them.
const SHAPES: [(&str, &str, Part); 20] = [
    ("spellings of phones", TRAITS, |n| {
        format!(r#""phones{}":[]"#, spelling(n))
    }),
    ("spellings of id", TRAITS, |n| {
        format!(r#""id{}":1"#, spelling(n))
    }),
    ("spellings of created", TRAITS, |n| {
        format!(r#""created{}":1"#, spelling(n))
    }),
    ("spellings of lastRequestAt", TRAITS, |n| {
        format!(r#""lastRequestAt{}":1"#, spelling(n))
    }),
    ("spellings of employees", COMPANY, |n| {
        format!(r#""employees{}":1.5"#, spelling(n))
    }),
    ("spellings of revenue", PROPERTIES, |n| {
        format!(r#""revenue{}":1"#, spelling(n))
    }),
    ("spellings of options", OPTIONS, |n| {
        format!(r#""active{}":true"#, spelling(n))
    }),
    ("one key again and again", TRAITS, |_| {
        r#""phones":[]"#.to_owned()
    }),
    ("separators", TRAITS, |n| {
        format!(r#""{}name{n}":1"#, "_".repeat(500))
    }),
    ("nulls", TRAITS, |n| format!(r#""k{n}":null"#)),
    ("numbers", TRAITS, |n| format!(r#""k{n}":1"#)),
    ("dates", TRAITS, |n| {
        format!(r#""k{n}":"2014-03-11T00:00:00Z""#)
    }),
    ("nearly dates", TRAITS, |n| {
        format!(r#""created{}":"Mar 24 2016 17:46:4x""#, spelling(n))
    }),
    ("renamed keys", TRAITS, |n| format!(r#""k.{n}":1"#)),
    ("escaped keys", TRAITS, |n| format!(r#""\u006b{n}":1"#)),
    ("properties", PROPERTIES, |n| format!(r#""k{n}":true"#)),
    ("companies", COMPANIES, |n| format!(r#""c{n}""#)),
    ("lists", TRAITS, |n| format!(r#""k{n}":[1,2,3]"#)),
    ("nests", TRAITS, |n| {
        format!(r#""k{n}":{}1{}"#, "[".repeat(100), "]".repeat(100))
    }),
    ("one list", LIST, |_| "1".to_owned()),
];

const TRAITS: &str = r#"{"type":"identify","userId":"u","traits":{@}}"#;
const COMPANY: &str = r#"{"type":"identify","userId":"u","traits":{"company":{"id":"c",@}}}"#;
const COMPANIES: &str = r#"{"type":"identify","userId":"u","traits":{"companies":[@]}}"#;
const LIST: &str = r#"{"type":"identify","userId":"u","traits":{"list":[@]}}"#;
const PROPERTIES: &str =
    r#"{"type":"track","event":"Order Completed","userId":"u","properties":{@}}"#;
const OPTIONS: &str = r#"{"type":"identify","userId":"u","integrations":{"Intercom":{@}}}"#;

/// The nth of many endings that don't count in a key.
fn spelling(mut n: usize) -> String {
    const SEPARATORS: [char; 8] = ['_', '-', ' ', '!', '+', '/', ':', '~'];
    let mut spelling = String::new();
    while n > 0 {
        spelling.push(SEPARATORS[n % 8]);
        n /= 8;
    }
    spelling
}

/// An event of about this many bytes.
fn event((around, part): (&str, Part), bytes: usize) -> String {
    let (before, after) = around.split_once('@').expect("a place for the parts");
    let mut event = before.to_owned();
    for n in 0.. {
        if event.len() >= bytes {
            break;
        }
        let comma = if n > 0 { "," } else { "" };
        write!(event, "{comma}{}", part(n)).expect("memory");
    }
    event + after
}

/// Reads and maps a single event, or a batch.
fn read_and_map(body: &[u8], settings: &Settings) {
    let entries = if body.starts_with(br#"{"batch""#) {
        parse_call(body, None, &IgnoredUserIds::default()).expect("a batch")
    } else {
        entries_of_array(body, 1, &IgnoredUserIds::default()).expect("an event")
    };
    let mut budget = Budget::default();
    for event in entries.iter().filter_map(Entry::event) {
        let mapped = black_box(map(event, ARRIVAL, settings, &mut budget));
        assert!(mapped.is_ok(), "{mapped:?}");
    }
}

/// Nanoseconds per byte, the least of several tries.
fn cost(body: &str, bytes: usize, settings: &Settings) -> f64 {
    const LEAST_TRIES: usize = 5;
    let begin = Instant::now();
    let mut least = Duration::MAX;
    let mut tries = 0;
    while tries < LEAST_TRIES || begin.elapsed() < Duration::from_millis(30) {
        let started = Instant::now();
        read_and_map(black_box(body.as_bytes()), settings);
        least = least.min(started.elapsed());
        tries += 1;
    }
    least.as_secs_f64() * 1e9 / f64::from(u32::try_from(bytes).expect("it is small"))
}

/// A batch whose context is that of each of its events, and how many bytes it would have if they
/// each had it written out.
fn shared((around, part): (&str, Part), bytes: usize) -> (String, usize) {
    let context = event((around, part), bytes.isqrt() * 2);
    let item = r#"{"type":"identify","userId":"u"}"#;
    let events = bytes.isqrt() / 30 + 1;
    let items = vec![item; events].join(",");
    let body = format!(r#"{{"batch":[{items}],"context":{{"traits":{context}}}}}"#);
    (body, events * (context.len() + item.len()))
}

fn main() -> ExitCode {
    let mut is_linear = true;
    print!("{:38}", "nanoseconds per byte");
    for size in SIZES_KB {
        print!("{:>10}", format!("{size} KB"));
    }
    println!();
    for nested in [Nested::Drop, Nested::Flatten, Nested::Stringify] {
        let settings = Settings {
            nested,
            ..Settings::default()
        };
        for (name, around, part) in SHAPES {
            let bodies = SIZES_KB.map(|size| {
                let event = event((around, part), size * 1024);
                let bytes = event.len();
                (event, bytes)
            });
            is_linear &= measure(&format!("{nested:?} {name}"), &bodies, &settings);
        }
        let spellings: Part = |n| format!(r#""phones{}":[]"#, spelling(n));
        let bodies = SIZES_KB.map(|size| shared(("{@}", spellings), size * 1024));
        is_linear &= measure(&format!("{nested:?} shared by a batch"), &bodies, &settings);
    }
    if is_linear {
        return ExitCode::SUCCESS;
    }
    eprintln!("a byte costs more than {MOST_TIMES_THE_COST} times as much in a larger event");
    ExitCode::FAILURE
}

/// Measures bodies, the smallest first, and prints a line; says whether no byte costs much
/// more than one of a smaller body does. Other programs can only make it slower, so what looks
/// so is measured again.
fn measure(name: &str, bodies: &[(String, usize)], settings: &Settings) -> bool {
    const MOST_ROUNDS: usize = 20;
    let mut costs = vec![f64::MAX; bodies.len()];
    let mut is_linear = false;
    for _ in 0..MOST_ROUNDS {
        for (least, (body, bytes)) in costs.iter_mut().zip(bodies) {
            *least = least.min(cost(body, *bytes, settings));
        }
        let mut least = f64::MAX;
        is_linear = costs.iter().all(|cost| {
            least = least.min(*cost);
            *cost <= MOST_TIMES_THE_COST * least
        });
        if is_linear {
            break;
        }
    }
    print!("{name:38}");
    for cost in costs {
        print!("{cost:>10.1}");
    }
    println!("{}", if is_linear { "" } else { "  ← not linear" });
    is_linear
}
