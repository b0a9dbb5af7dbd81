//! An application with the crate `segment`: `segment-application SETTINGS`. Makes the calls that it
//! reads, each the JSON of an event, one array a line: alone, or collected in a batch that is sent
//! at the end. Prints a line of JSON for each request.

use segment::message::{BatchMessage, Message};
use segment::{AutoBatcher, Batcher, Client, Error, HttpClient};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let argument = std::env::args().nth(1).expect("settings");
    let settings: Value = serde_json::from_str(&argument).expect("JSON");
    let text = |name: &str| settings[name].as_str().expect(name).to_owned();
    let write_key = text("write_key");
    let client = HttpClient::new(Default::default(), text("host"));
    let mut batcher = AutoBatcher::new(client.clone(), Batcher::new(None), write_key.clone());

    for line in std::io::stdin().lines() {
        let (call,): (BatchMessage,) =
            serde_json::from_str(&line.expect("text")).expect("an event in an array");
        if settings["batch"] == true {
            batcher.push(call).await.expect("an event under 32 KB");
        } else {
            print(client.send(write_key.clone(), alone(call)).await);
        }
    }
    if settings["batch"] == true {
        print(batcher.flush().await);
    }
}

fn alone(call: BatchMessage) -> Message {
    match call {
        BatchMessage::Identify(call) => call.into(),
        BatchMessage::Track(call) => call.into(),
        BatchMessage::Page(call) => call.into(),
        BatchMessage::Screen(call) => call.into(),
        BatchMessage::Group(call) => call.into(),
        BatchMessage::Alias(call) => call.into(),
    }
}

fn print(sent: Result<(), Error>) {
    let status = match sent {
        Ok(()) => 200,
        Err(Error::NetworkError(error)) => error.status().expect("an answer").as_u16(),
        Err(error) => panic!("{error}"),
    };
    println!("{}", json!({"status": status}));
}
