//! The HTTP client, shared by the calls to Intercom and to AWS.
//!
//! One pool and one TLS configuration, with root certificates that are compiled in: reading the
//! system's takes longer than the rest of the start-up.

use std::env;
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
