//! An HTTP request, whichever API of AWS hands it over.

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, header};

use super::BodyError;
use crate::browser::Endpoint;

/// The headers that say where a request came in.
pub(super) const ENDPOINT_HEADERS: [&str; 2] = ["Host", "X-Forwarded-Proto"];

/// The longest host name that DNS has.
const MAX_HOST_BYTES: usize = 253;

/// Whether this is a host name or an IPv4 address, with a port or without. Pages load scripts from
/// it, so nothing that a sender makes up may lead elsewhere.
fn is_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "443"));
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let ends_well = !label.starts_with('-') && !label.ends_with('-');
        !label.is_empty() && ends_well && label.bytes().all(is_inner)
    };
    let has_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    has_port && name.len() <= MAX_HOST_BYTES && name.split('.').all(is_label)
}

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
    /// None where neither the `Host` header nor the API names a host.
    ///
    /// An answer that may be kept says it varies by `ENDPOINT_HEADERS`.
    pub fn endpoint<'r>(&'r self, base_path: &'r str) -> Option<Endpoint<'r>> {
        let [host, protocol] = ENDPOINT_HEADERS.map(|name| self.header(name));
        let is_plain = protocol.is_some_and(|protocol| protocol.eq_ignore_ascii_case("http"));
        let mut hosts = [host, self.domain.as_deref()].into_iter().flatten();
        Some(Endpoint {
            protocol: if is_plain { "http" } else { "https" },
            host: hosts.find(|host| is_host(host))?,
            base_path,
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for host in [
            "h",
            "api.example.com",
            "a-b.example.com:8443",
            "127.0.0.1:4566",
            "localhost",
        ] {
            assert!(is_host(host), "{host}");
        }
        let long = "a.".repeat(127);
        for host in [
            "",
            ".",
            "example..com",
            "example.com.evil.com/",
            "user@example.com",
            "example.com:",
            "example.com:80:80",
            "example.com:+80",
            "example.com:65536",
            "example.com#",
            "-a.example.com",
            "a_b.example.com",
            "ex\u{e4}mple.com",
            "a b",
            &*long,
        ] {
            assert!(!is_host(host), "{host}");
        }
    }
}
