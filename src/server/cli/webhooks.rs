//! `thermocline webhooks`: who was told of the end of requests by a running server, and who could not be.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::client::{Client, ServerArgs};
use super::{Failure, runtime};

/// What to do with webhooks.
#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Lists them, newest first
    List(ListArgs),
    /// Tries some again at once
    Retry(RetryArgs),
}

/// Which ones to list.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    /// Only those that are due, done, or dead: given up
    #[arg(long, value_enum)]
    only: Option<State>,
    /// Most lines
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Due,
    Done,
    Dead,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }
}

/// Which ones to try again.
#[derive(Debug, Clone, Args)]
pub(crate) struct RetryArgs {
    /// Their numbers, as `list` shows them
    #[arg(value_name = "NUMBER", required = true)]
    numbers: Vec<u64>,
    #[command(flatten)]
    server: ServerArgs,
}

/// `thermocline webhooks`.
pub(crate) fn run(command: &WebhookCommand) -> Result<ExitCode, Failure> {
    match command {
        WebhookCommand::List(args) => list(args),
        WebhookCommand::Retry(args) => retry(args),
    }
}

fn list(args: &ListArgs) -> Result<ExitCode, Failure> {
    let state = args.only.map(|state| format!("&state={}", state.as_str())).unwrap_or_default();
    let url = address(&args.server, &format!("webhooks?limit={}{state}", args.limit));
    let client = Client::new(&args.server.token)?;
    let answer = runtime()?.block_on(client.get(&url))?;
    let webhooks = answer.get("webhooks").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for webhook in webhooks {
        println!("{}", line(webhook));
    }
    Ok(ExitCode::SUCCESS)
}

fn retry(args: &RetryArgs) -> Result<ExitCode, Failure> {
    let client = Client::new(&args.server.token)?;
    let runtime = runtime()?;
    for number in &args.numbers {
        let url = address(&args.server, &format!("webhooks/{number}/retry"));
        runtime.block_on(client.post(&url, &json!({})))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn address(server: &ServerArgs, path: &str) -> String {
    format!("{}/{path}", server.server.trim_end_matches('/'))
}

/// A webhook in a line: number, state, attempts, request, address, and why it failed.
fn line(webhook: &Value) -> String {
    let number = |key: &str| webhook.get(key).and_then(Value::as_u64).unwrap_or(0);
    let text = |key: &str| webhook.get(key).and_then(Value::as_str).unwrap_or_default();
    let (id, n_attempts) = (number("id"), number("attempts"));
    let line = format!(
        "{id:6}  {:4}  {n_attempts:3} attempts  {}  {}  {}",
        text("state"),
        text("request"),
        text("url"),
        text("last_error")
    );
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_an_operator_needs_to_decide() {
        let webhook = json!({"id": 7, "state": "dead", "attempts": 40, "request": "r1", "url": "https://a.example/x",
                             "last_error": "the receiver answers 500"});
        let expected = "     7  dead   40 attempts  r1  https://a.example/x  the receiver answers 500";
        assert_eq!(line(&webhook), expected);
    }
}
