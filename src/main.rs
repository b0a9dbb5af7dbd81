//! The binary that Lambda starts.

use std::env;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use aws_config::BehaviorVersion;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use lambda_runtime::{LambdaEvent, service_fn};
use segment_intercom::browser::PLUGIN;
use segment_intercom::clock::Clock;
use segment_intercom::config::Config;
use segment_intercom::filters::{self, Filters, FiltersError, PACKAGED, Rules};
use segment_intercom::function::Function;
use segment_intercom::http_client::{AwsHttpClient, Transport, http_client};
use segment_intercom::log;
use segment_intercom::time_budget::AWS_ATTEMPT_WITHIN;
use serde_json::value::RawValue;
use tracing::Level;

#[expect(clippy::disallowed_methods, reason = "this is the start")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    if arguments
        .next()
        .is_some_and(|first| first == "--check-filters")
    {
        return check_filters(Path::new(&arguments.next().unwrap_or_default()));
    }
    let config = Config::read(|name| env::var(name).ok());
    let level = config
        .as_ref()
        .map_or(Level::INFO, |config| config.log_level);
    tracing::subscriber::set_global_default(log::subscriber(level.into(), io::stdout))
        .expect("nothing else logs");
    let result = match config {
        Ok(config) => run(config).await,
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads a file of rules as the function would, and says what is in it: `--check-filters FILE`.
fn check_filters(file: &Path) -> ExitCode {
    let rules = match filters::read(file, true) {
        Ok(rules) => rules,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let (filters, transformations) = rules.counts();
    println!(
        "{}: {filters} filters, {transformations} transformations",
        file.display()
    );
    let page = Filters::new(Vec::new(), rules).page_rules(PLUGIN);
    for line in page.left_out {
        println!("not in the page: {line}");
    }
    ExitCode::SUCCESS
}

/// The rules of the file that `FILTERS` names, else of the one in the package, if there is one.
fn rules(config: &Config) -> Result<Rules, FiltersError> {
    if let Some(file) = &config.filters_file {
        return filters::read(file, true);
    }
    let binary = env::current_exe().unwrap_or_default();
    filters::read(&binary.with_file_name(PACKAGED), false)
}

async fn run(config: Config) -> Result<(), lambda_runtime::Error> {
    let rules = rules(&config)?;
    let http = http_client()?;
    let aws = aws_config::defaults(BehaviorVersion::latest())
        .http_client(AwsHttpClient(http.clone()))
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(AWS_ATTEMPT_WITHIN)
                .build(),
        )
        .load()
        .await;
    let secrets = aws_sdk_secretsmanager::Client::new(&aws);
    let sqs = aws_sdk_sqs::Client::new(&aws);
    let function = Function::new(
        config,
        rules,
        secrets,
        sqs,
        Transport::http(http),
        Clock::default(),
    );
    function.warm_up().await;
    let function = &function;
    lambda_runtime::run(service_fn(move |invocation: LambdaEvent<Box<RawValue>>| {
        function.handle(invocation)
    }))
    .await
}
