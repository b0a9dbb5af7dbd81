//! The function, put together against stand-ins of all that it talks to.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::HttpClient;
use lambda_runtime::{Context, LambdaEvent};
use segment_intercom::clock::Clock;
use segment_intercom::config::Config;
use segment_intercom::function::{Function, InvocationError};
use segment_intercom::http_client::{AwsHttpClient, Transport, http_client};
use serde_json::Value;
use serde_json::value::RawValue;

pub const WRITE_KEY: &str = "local-server-write-key";
pub const WEBHOOK_SECRET: &str = "local-webhook-secret";
pub const API_SECRET: &str = "local-api-secret";
pub const ACCESS_TOKEN: &str = "simulator-token";
/// The queue of `events/sqs-retry.json`.
pub const RETRY_QUEUE_URL: &str =
    "https://sqs.us-east-1.amazonaws.com/123456789012/segment-intercom-retry.fifo";
pub const RETRY_QUEUE_ARN: &str = "arn:aws:sqs:us-east-1:123456789012:segment-intercom-retry.fifo";
pub const WAITING_QUEUE_URL: &str =
    "https://sqs.us-east-1.amazonaws.com/123456789012/segment-intercom-waiting";
pub const WAITING_QUEUE_ARN: &str = "arn:aws:sqs:us-east-1:123456789012:segment-intercom-waiting";
pub const DEAD_LETTER_QUEUE_URL: &str =
    "https://sqs.us-east-1.amazonaws.com/123456789012/segment-intercom-dead-letters";

/// Lambda's id of every invocation.
const INVOCATION_ID: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";

/// The time limit of the Lambda function, as `template.yaml` sets it.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// A fresh instance with these environment variables beside the required ones.
pub fn function(variables: &[(&str, &str)], intercom_url: &str, aws_url: &str) -> Function {
    function_at(variables, intercom_url, aws_url, Clock::default())
}

/// The same by another clock.
pub fn function_at(
    variables: &[(&str, &str)],
    intercom_url: &str,
    aws_url: &str,
    clock: Clock,
) -> Function {
    let http = http_client().expect("a client");
    let aws = AwsHttpClient(http.clone());
    put_together(
        variables,
        intercom_url,
        Transport::http(http),
        aws_url,
        aws,
        clock,
    )
}

/// An instance whose calls go to these stand-ins.
pub fn put_together(
    variables: &[(&str, &str)],
    intercom_url: &str,
    intercom: Transport,
    aws_url: &str,
    aws: impl HttpClient + 'static,
    clock: Clock,
) -> Function {
    let required = [
        ("SECRET_ID", "a-secret"),
        ("RETRY_QUEUE_URL", RETRY_QUEUE_URL),
        ("WAITING_QUEUE_URL", WAITING_QUEUE_URL),
        ("DEAD_LETTER_QUEUE_URL", DEAD_LETTER_QUEUE_URL),
        ("INTERCOM_BASE_URL", intercom_url),
    ];
    let config = Config::read(|name| {
        let mut all = variables.iter().chain(&required);
        let (_, value) = all.find(|(other, _)| *other == name)?;
        Some((*value).to_owned())
    });
    let credentials = Credentials::new("test", "test", None, None, "test");
    let aws = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws)
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(aws_url)
        .build();
    Function::new(
        config.expect("good settings"),
        aws_sdk_secretsmanager::Client::new(&aws),
        aws_sdk_sqs::Client::new(&aws),
        intercom,
        clock,
    )
}

/// Invokes it with this payload, as Lambda does.
pub async fn invoke(function: &Function, payload: &Value) -> Result<Value, InvocationError> {
    invoke_raw(function, payload.to_string()).await
}

/// Invokes it with this very JSON.
pub async fn invoke_raw(function: &Function, payload: String) -> Result<Value, InvocationError> {
    invoke_within(function, payload, TIME_LIMIT).await
}

/// Invokes it with this very JSON and this time limit.
pub async fn invoke_within(
    function: &Function,
    payload: String,
    time_limit: Duration,
) -> Result<Value, InvocationError> {
    let payload = RawValue::from_string(payload).expect("valid JSON");
    let limit = SystemTime::from(function.now()) + time_limit;
    let limit = limit.duration_since(UNIX_EPOCH).expect("after 1970");
    let mut context = Context::default();
    INVOCATION_ID.clone_into(&mut context.request_id);
    context.deadline = u64::try_from(limit.as_millis()).expect("fits");
    // Boxed, or the compiler gives up on the depth of what awaits this.
    Box::pin(function.handle(LambdaEvent::new(payload, context))).await
}
