//! The HTTP client, shared by the calls to Intercom and to AWS, and what may stand in its place.
//!
//! One pool and one TLS configuration, with root certificates that are compiled in: reading the
//! system's takes longer than the rest of the start-up.

use std::env;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use reqwest::redirect::Policy;
use reqwest::{Body, Client, Request};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// A server that can't even be connected to won't answer in time either.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Shorter than the time after which AWS and Intercom close idle connections.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The client can't be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// `SSL_CERT_FILE` names no readable file of PEM certificates.
    #[error("SSL_CERT_FILE does not name a file of PEM certificates: {0}")]
    Certificates(#[from] rustls::pki_types::pem::Error),
    /// One of its certificates is broken.
    #[error("SSL_CERT_FILE has a certificate that can't be used: {0}")]
    Certificate(#[from] rustls::Error),
    /// reqwest refuses its settings.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

/// Builds the client. Certificates in the file that the environment variable `SSL_CERT_FILE`
/// names are trusted too, for companies with a proxy of their own.
///
/// # Errors
/// [`ClientError`].
#[expect(
    clippy::disallowed_methods,
    reason = "at start; the variable is OpenSSL's, not ours"
)]
pub fn http_client() -> Result<Client, ClientError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(file) = env::var_os("SSL_CERT_FILE") {
        for certificate in CertificateDer::pem_file_iter(file)? {
            roots.add(certificate?)?;
        }
    }
    let tls = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT);
    Ok(client.build()?)
}

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// None came in time.
    #[error("Intercom did not answer in time")]
    TimedOut,
    /// There is no connection.
    #[error("no connection to Intercom")]
    Unreachable,
    /// It ended before the answer was complete.
    #[error("the connection to Intercom broke")]
    Broken,
}

/// What becomes of a request: a complete answer, or none.
pub type Exchange = Pin<Box<dyn Future<Output = Result<http::Response<Vec<u8>>, NoAnswer>> + Send>>;

/// How requests reach Intercom: by HTTP, or within the process where a simulation answers them.
#[derive(Clone)]
pub struct Transport(Arc<dyn Fn(http::Request<Vec<u8>>) -> Exchange + Send + Sync>);

impl Transport {
    /// Requests are answered by this function.
    pub fn new(
        answer: impl Fn(http::Request<Vec<u8>>) -> Exchange + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(answer))
    }

    /// Requests are sent by this client.
    pub fn http(client: Client) -> Self {
        Self::new(move |request| {
            let client = client.clone();
            Box::pin(async move {
                exchange(&client, request)
                    .await
                    .map_err(|error| no_answer(&error))
            })
        })
    }

    pub(crate) fn send(&self, request: http::Request<Vec<u8>>) -> Exchange {
        (self.0)(request)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

async fn exchange(
    client: &Client,
    request: http::Request<Vec<u8>>,
) -> Result<http::Response<Vec<u8>>, reqwest::Error> {
    let answer = client.execute(Request::try_from(request)?).await?;
    let mut whole = http::Response::new(Vec::new());
    *whole.status_mut() = answer.status();
    *whole.headers_mut() = answer.headers().clone();
    *whole.body_mut() = answer.bytes().await?.to_vec();
    Ok(whole)
}

/// The error itself could name a URL with an email address.
fn no_answer(error: &reqwest::Error) -> NoAnswer {
    if error.is_timeout() {
        NoAnswer::TimedOut
    } else if error.is_connect() {
        NoAnswer::Unreachable
    } else {
        NoAnswer::Broken
    }
}

/// The client, lent to the AWS SDK.
#[derive(Clone, Debug)]
pub struct AwsHttpClient(pub Client);

impl HttpClient for AwsHttpClient {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for AwsHttpClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self(client) = self.clone();
        HttpConnectorFuture::new(async move {
            let user_error =
                |error: Box<dyn std::error::Error + Send + Sync>| ConnectorError::user(error);
            let request = request
                .try_into_http1x()
                .map_err(|error| user_error(error.into()))?;
            let request = Request::try_from(request.map(Body::wrap))
                .map_err(|error| user_error(error.into()))?;
            let response = client.execute(request).await.map_err(|error| {
                if error.is_timeout() {
                    ConnectorError::timeout(error.into())
                } else {
                    ConnectorError::io(error.into())
                }
            })?;
            let response = http::Response::from(response).map(SdkBody::from_body_1_x);
            HttpResponse::try_from(response)
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}
