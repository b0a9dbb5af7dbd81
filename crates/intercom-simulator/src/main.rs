//! Runs the simulator until it is killed.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use intercom_simulator::{Settings, Simulator};

const USAGE: &str = "usage: intercom-simulator [--port PORT] [--token TOKEN]... \
[--search-lag-seconds SECONDS] [--rate-limit REQUESTS_PER_10_SECONDS]";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let (port, settings) = parse(std::env::args().skip(1))?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let simulator =
        Simulator::bind(address, settings).map_err(|error| format!("{address}: {error}"))?;
    let mut stdout = std::io::stdout();
    writeln!(
        stdout,
        "intercom-simulator listening on {}",
        simulator.base_url()
    )
    .and_then(|()| stdout.flush())
    .map_err(|error| format!("standard output: {error}"))?;
    simulator.wait();
    Ok(())
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<(u16, Settings), String> {
    let mut port = 0;
    let mut tokens = Vec::new();
    let mut settings = Settings::default();
    while let Some(flag) = arguments.next() {
        let (flag, value) = match flag.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (flag, arguments.next()),
        };
        let value = value.ok_or_else(|| format!("{flag} needs a value\n{USAGE}"))?;
        let bad = |_| format!("{flag} {value:?} is not a valid number\n{USAGE}");
        match flag.as_str() {
            "--port" => port = value.parse().map_err(bad)?,
            "--token" => tokens.push(value),
            "--search-lag-seconds" => settings.search_lag_seconds = value.parse().map_err(bad)?,
            "--rate-limit" => settings.rate_limit = value.parse().map_err(bad)?,
            _ => return Err(format!("unknown flag {flag}\n{USAGE}")),
        }
    }
    if !tokens.is_empty() {
        settings.tokens = tokens;
    }
    Ok((port, settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<(u16, Settings), String> {
        parse(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn flags() {
        let (port, settings) = parsed(&[]).unwrap();
        assert_eq!(
            (port, settings.tokens),
            (0, vec!["simulator-token".to_owned()])
        );
        let flags = [
            "--port",
            "8080",
            "--token",
            "a",
            "--token=b",
            "--rate-limit",
            "5",
        ];
        let (port, settings) = parsed(&flags).unwrap();
        assert_eq!((port, settings.rate_limit), (8080, 5));
        assert_eq!(settings.tokens, ["a", "b"]);
        for bad in [
            &["--port"][..],
            &["--port", "x"],
            &["--prot", "1"],
            &["--rate-limit", "-1"],
        ] {
            assert!(parsed(bad).unwrap_err().contains("usage:"), "{bad:?}");
        }
    }
}
