//! Intercom and AWS within the process: without sockets and threads, so that time passes as the
//! test's runtime says, and a world is the same each time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use chrono::DateTime;
use fastrand::Rng;
use intercom_simulator::Simulator;
use segment_intercom::clock::Clock;
use segment_intercom::http_client::{NoAnswer, Transport};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::simulated_aws::SimulatedAwsState;

/// The way to the simulator. Each call and its answer take some milliseconds. A call whose caller
/// has left arrives nonetheless, unless it still hangs: as on a connection that was closed.
pub fn intercom(simulator: &Simulator, seed: u64) -> Transport {
    let answer = simulator.in_process();
    let rng = Mutex::new(Rng::with_seed(seed));
    Transport::new(move |request| {
        let mut rng = rng.lock().unwrap_or_else(PoisonError::into_inner);
        let [there, back] = [(); 2].map(|()| Duration::from_millis(rng.u64(1..60)));
        let answered = answer(request);
        let (caller, has_left) = oneshot::channel::<()>();
        let answered = tokio::spawn(async move {
            tokio::time::sleep(there).await;
            let answer = tokio::select! {
                biased;
                answer = answered => answer,
                _ = has_left => None,
            };
            tokio::time::sleep(back).await;
            answer
        });
        Box::pin(async move {
            let _caller = caller;
            answered.await.ok().flatten().ok_or(NoAnswer::Broken)
        })
    })
}

/// The function's clock on the runtime's time, which was at this second of Unix when it was `start`.
pub fn clock(start: Instant, start_unix_seconds: u64) -> Clock {
    let began = DateTime::from_timestamp_secs(start_unix_seconds.cast_signed());
    let began = began.expect("a date");
    Clock::new(move || began + start.elapsed())
}

/// The way to the stand-ins of Secrets Manager and SQS.
#[derive(Clone, Debug)]
pub struct Aws(pub Arc<Mutex<SimulatedAwsState>>);

impl Aws {
    pub fn state(&self) -> MutexGuard<'_, SimulatedAwsState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a call to AWS takes.
const LATENCY: Duration = Duration::from_millis(5);

impl HttpClient for Aws {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Aws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target");
        let target = target.unwrap_or_default().to_owned();
        let body = request.body().bytes().unwrap_or_default();
        let body: Value = serde_json::from_slice(body).expect("JSON");
        let aws = self.clone();
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(LATENCY).await;
            let (status, answer) = aws.state().respond(&target, &body);
            let status = status.try_into().expect("a status");
            Ok(HttpResponse::new(status, SdkBody::from(answer.to_string())))
        })
    }
}
