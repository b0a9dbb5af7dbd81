//! HTTP: reads requests, applies faults around the state's answer, closes connections.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::control;
use crate::fault::{FaultKind, FaultWhen};
use crate::message::{ApiRequest, ApiResponse};
use crate::state::State;

const BODY_LIMIT_BYTES: usize = 16 * 1024 * 1024;
/// Pause after a failed accept, such as when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The state behind its lock.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Mutex<State>>);

impl Shared {
    pub(crate) fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// A panic while the lock was held is no reason to stop answering.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a connection ends without an answer. hyper closes it when a service fails.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    Fault,
    Unreadable,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Fault => "connection closed by a fault",
            Self::Unreadable => "request could not be read",
        })
    }
}

impl std::error::Error for NoAnswer {}

/// Serves until the future is dropped.
pub(crate) async fn serve(listener: TcpListener, shared: Shared) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Small answers must not wait for each other's acknowledgement; failing is harmless.
        let _ = stream.set_nodelay(true);
        let shared = shared.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| respond(shared.clone(), request));
            // Errors are the client's leaving or our own closing: nobody to tell.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// The URL that clients use for `address`.
pub(crate) fn base_url(address: SocketAddr) -> String {
    format!("http://{address}")
}

async fn respond(
    shared: Shared,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, NoAnswer> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_LIMIT_BYTES)
        .collect()
        .await
        .map_err(|_| NoAnswer::Unreadable)?
        .to_bytes();
    let request = Request::from_parts(parts, body.to_vec());
    Ok(exchange(&shared, request).await?.map(Full::from))
}

/// What becomes of a request.
pub(crate) async fn exchange(
    shared: &Shared,
    request: Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, NoAnswer> {
    let request = read(request);
    let response = if request.path.starts_with(control::PREFIX) {
        shared.lock().control(&request)
    } else if let Some(response) = shared.lock().oauth(&request) {
        response
    } else {
        answer(shared, &request).await?
    };
    Ok(write(response))
}

async fn answer(shared: &Shared, request: &ApiRequest) -> Result<ApiResponse, NoAnswer> {
    let (sequence, fault) = shared.lock().begin(request);
    let (before, after) = match fault {
        Some(fault) if fault.when == FaultWhen::Before => (Some(fault.kind), None),
        Some(fault) => (None, Some(fault.kind)),
        None => (None, None),
    };

    if let Some(response) = apply(shared, request, before, None).await? {
        shared.lock().sent(sequence, &response);
        return Ok(response);
    }
    let response = shared.lock().answer(sequence, request);
    let replaced = apply(shared, request, after, Some(&response)).await?;
    let response = replaced.unwrap_or(response);
    shared.lock().sent(sequence, &response);
    Ok(response)
}

/// Applies a fault: another answer, no answer, or a pause. `made` is the answer to the change
/// already made, if it was.
async fn apply(
    shared: &Shared,
    request: &ApiRequest,
    kind: Option<FaultKind>,
    made: Option<&ApiResponse>,
) -> Result<Option<ApiResponse>, NoAnswer> {
    match kind {
        None => Ok(None),
        Some(FaultKind::Status(status)) => {
            let mut state = shared.lock();
            Ok(Some(state.answer_with_fault(
                &status,
                request,
                made.cloned(),
            )))
        }
        Some(FaultKind::Race {
            status,
            code,
            message,
        }) => {
            let mut state = shared.lock();
            let refusal = state.lose_race(status, code, message, request);
            Ok(Some(state.answer_with_fault(&refusal, request, None)))
        }
        Some(FaultKind::Reset) => {
            shared.lock().dropped();
            Err(NoAnswer::Fault)
        }
        Some(FaultKind::Hang { seconds }) => {
            let pause = Duration::try_from_secs_f64(seconds).unwrap_or_default();
            tokio::time::sleep(pause).await;
            Ok(None)
        }
    }
}

fn read(request: Request<Vec<u8>>) -> ApiRequest {
    let (parts, body) = request.into_parts();
    ApiRequest {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect(),
        body,
    }
}

fn write(answer: ApiResponse) -> Response<Vec<u8>> {
    let body = answer.body.map(|body| body.to_string());
    let body = answer.page.or(body).unwrap_or_default();
    let mut response = Response::new(body.into_bytes());
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(value),
        ) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
