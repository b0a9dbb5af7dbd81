//! What the function logs.

use std::io;
use std::sync::{Arc, Mutex, Once, PoisonError};

use segment_intercom::log;
use serde_json::Value;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;

/// What is logged on this thread while the guard lives.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn start(level: Level) -> (Self, DefaultGuard) {
        // While there is but one subscriber, tracing asks that of the thread that comes to a line
        // first, which may be another test's without any, and would never write the line again.
        static ANOTHER: Once = Once::new();
        ANOTHER.call_once(|| {
            let nothing = log::subscriber(LevelFilter::ERROR, io::sink);
            tracing::subscriber::set_global_default(nothing).expect("the first one");
        });
        let log = Self::default();
        let writer = log.clone();
        let subscriber = log::subscriber(level.into(), move || writer.clone());
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes)
            .lines()
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn parsed(&self) -> Vec<Value> {
        let lines = self.lines().into_iter();
        lines
            .map(|line| serde_json::from_str(&line).expect("JSON"))
            .collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
