//! An HTTP request, whichever API of AWS hands it over.

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, header};

use super::BodyError;
use crate::browser::Endpoint;

/// One request.
#[derive(Debug)]
pub struct HttpRequest {
    /// Its method.
    pub method: Method,
    /// Its path.
    pub path: String,
    /// The path by which its sender knows it: with the stage, which `path` may lack.
    pub full_path: String,
    /// The API's own domain, where no `Host` header says another.
    domain: Option<String>,
    /// Its headers.
    pub headers: HeaderMap,
    /// From where it came, as API Gateway saw it.
    pub source_address: Option<String>,
    body: String,
    is_base64: bool,
}

impl HttpRequest {
    /// The body's bytes, as they were sent.
    ///
    /// # Errors
    /// [`BodyError::Base64`].
    pub fn raw_body(&self) -> Result<Vec<u8>, BodyError> {
        if self.is_base64 {
            let decoded = STANDARD.decode(self.body.trim());
            decoded.map_err(|_| BodyError::Base64)
        } else {
            Ok(self.body.as_bytes().to_vec())
        }
    }

    /// A header's value, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Where it came in, as its sender sees it. `base_path` is what stands in front of the route.
    pub fn endpoint<'r>(&'r self, base_path: &'r str) -> Endpoint<'r> {
        let host = self.header(header::HOST.as_str());
        Endpoint {
            protocol: self.header("x-forwarded-proto").unwrap_or("https"),
            host: host.or(self.domain.as_deref()).unwrap_or_default(),
            base_path,
        }
    }

    /// The `Origin` header, which only browsers send.
    pub fn origin(&self) -> Option<&str> {
        self.header(header::ORIGIN.as_str())
    }
}

impl From<ApiGatewayProxyRequest> for HttpRequest {
    fn from(request: ApiGatewayProxyRequest) -> Self {
        let mut headers = request.multi_value_headers;
        for (name, value) in &request.headers {
            headers.entry(name).or_insert_with(|| value.clone());
        }
        let path = request.path.unwrap_or_default();
        let context = request.request_context;
        Self {
            method: request.http_method,
            full_path: context.path.unwrap_or_else(|| path.clone()),
            domain: context.domain_name,
            path,
            source_address: context.identity.source_ip,
            headers,
            body: request.body.unwrap_or_default(),
            is_base64: request.is_base64_encoded,
        }
    }
}

impl From<ApiGatewayV2httpRequest> for HttpRequest {
    fn from(request: ApiGatewayV2httpRequest) -> Self {
        let path = request.raw_path.unwrap_or_default();
        let context = request.request_context;
        Self {
            method: context.http.method,
            source_address: context.http.source_ip,
            full_path: path.clone(),
            domain: context.domain_name,
            path,
            headers: request.headers,
            body: request.body.unwrap_or_default(),
            is_base64: request.is_base64_encoded,
        }
    }
}
