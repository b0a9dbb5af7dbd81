//! The simulator as a value: for tests in the same process, and behind the binary.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;

use crate::fault::Fault;
use crate::log::LoggedRequest;
use crate::server::{self, Shared};
use crate::settings::Settings;
use crate::snapshot::Snapshot;
use crate::state::State;

/// What becomes of a request.
pub type Exchange = Pin<Box<dyn Future<Output = Option<hyper::Response<Vec<u8>>>> + Send>>;

/// A running simulator. It has a thread of its own, so that it works from any test, with or
/// without a runtime, and it stops when dropped.
#[derive(Debug)]
pub struct Simulator {
    shared: Shared,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts a simulator on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// When the port can't be bound or the thread can't be started.
    pub fn start(settings: Settings) -> Self {
        Self::bind(SocketAddr::from(([127, 0, 0, 1], 0)), settings)
            .expect("a free port on 127.0.0.1 and a thread")
    }

    /// Starts a simulator on `address`; port 0 means any free one.
    ///
    /// # Errors
    ///
    /// When the address can't be bound or the thread can't be started.
    pub fn bind(address: SocketAddr, settings: Settings) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let shared = Shared::new(State::new(settings));
        let (stop, stopped) = oneshot::channel();
        let served = shared.clone();
        let thread = std::thread::Builder::new()
            .name("intercom-simulator".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = server::serve(listener, served) => {}
                        // An error means that the simulator is gone, which is the same.
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            shared,
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:PORT`, to be used as the API's base URL.
    pub fn base_url(&self) -> String {
        server::base_url(self.address)
    }

    /// A way to make requests within the process, without a connection: `None` is one that is closed
    /// without an answer. A hang passes by the time of the runtime that polls it.
    pub fn in_process(
        &self,
    ) -> impl Fn(hyper::Request<Vec<u8>>) -> Exchange + Send + Sync + 'static {
        let shared = self.shared.clone();
        move |request| {
            let shared = shared.clone();
            Box::pin(async move { server::exchange(&shared, request).await.ok() })
        }
    }

    /// A copy of what the workspace holds. It serializes to what `GET /_simulator/state` shows.
    pub fn state(&self) -> Snapshot {
        self.shared.lock().snapshot()
    }

    /// The API requests so far, in the order in which they arrived.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.lock().log.entries().cloned().collect()
    }

    /// Forgets the logged requests; numbering goes on.
    pub fn clear_requests(&self) {
        self.shared.lock().log.clear();
    }

    /// Adds a rule by which requests fail.
    ///
    /// # Panics
    ///
    /// When the rule makes no sense, such as a probability of 2.
    pub fn add_fault(&self, fault: Fault) {
        let added = self.shared.lock().add_fault(fault);
        if let Err(reason) = added {
            panic!("bad fault: {reason}");
        }
    }

    /// Removes all rules.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// Moves the simulator's clock forward.
    pub fn advance(&self, by: Duration) {
        self.shared.lock().clock.advance(by);
    }

    /// Unix time of the simulator's clock.
    pub fn now(&self) -> Duration {
        self.shared.lock().clock.now()
    }

    /// Changes settings, from the next request on. A change of `clock` has no effect.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.shared.lock().settings);
    }

    /// Makes a contact that may match others, as the Messenger and imports do; the body is that
    /// of `POST /contacts`, with `archived: true` for an archived one. Returns Intercom's id.
    ///
    /// # Panics
    ///
    /// When the body isn't valid.
    pub fn seed_contact(&self, body: Value) -> String {
        let seeded = self.shared.lock().seed_contact(body);
        match seeded {
            Ok(contact) => contact["id"].as_str().unwrap_or_default().to_owned(),
            Err(reason) => panic!("bad contact: {reason}"),
        }
    }

    /// Forgets everything but the settings: contents, log, faults, clock.
    pub fn reset(&self) {
        self.shared.lock().reset();
    }

    /// Waits until the simulator ends, which it doesn't by itself.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            // It can only fail by a panic, which has already been printed.
            let _ = thread.join();
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It fails when the thread has already ended.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
