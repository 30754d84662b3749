//! `thermocline webhooks`: who was told of the end of requests by a running server, and who could not be.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Url;
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
    /// Most lines; all of them without it
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
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
    #[arg(value_name = "NUMBER", required_unless_present = "all_dead", conflicts_with = "all_dead")]
    numbers: Vec<u64>,
    /// All that were given up
    #[arg(long)]
    all_dead: bool,
    /// Only those at this host, HOST or HOST:PORT
    #[arg(long, value_name = "HOST", requires = "all_dead")]
    host: Option<String>,
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
    let client = Client::new(&args.server.token)?;
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut pages = Pages::new(&client, &args.server, args.only);
    let runtime = runtime()?;
    while left > 0 {
        let Some(page) = runtime.block_on(pages.next(left))? else { break };
        for webhook in &page {
            println!("{}", line(webhook));
        }
        left = left.saturating_sub(page.len() as u64);
    }
    Ok(ExitCode::SUCCESS)
}

fn retry(args: &RetryArgs) -> Result<ExitCode, Failure> {
    let client = Client::new(&args.server.token)?;
    let runtime = runtime()?;
    if args.all_dead {
        return runtime.block_on(retry_dead(args, &client));
    }
    for number in &args.numbers {
        let url = address(&args.server, &format!("webhooks/{number}/retry"));
        runtime.block_on(client.post(&url, &json!({})))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Tries all again that were given up. One that fails, since it is not what it was any more, keeps none from its turn.
async fn retry_dead(args: &RetryArgs, client: &Client) -> Result<ExitCode, Failure> {
    let (mut n_retried, mut n_failed) = (0_u64, 0_u64);
    let mut pages = Pages::new(client, &args.server, Some(State::Dead));
    while let Some(page) = pages.next(u64::MAX).await? {
        let chosen = page.iter().filter(|webhook| args.host.as_ref().is_none_or(|host| is_at(webhook, host)));
        for number in chosen.filter_map(|webhook| webhook.get("id")?.as_u64()) {
            let url = address(&args.server, &format!("webhooks/{number}/retry"));
            match client.post(&url, &json!({})).await {
                Ok(_) => n_retried += 1,
                Err(failure) => {
                    n_failed += 1;
                    eprintln!("{number:6}  {failure}");
                }
            }
        }
    }
    println!("{n_retried} tried again, {n_failed} could not be");
    Ok(if n_failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Pages of webhooks, newest first.
struct Pages<'a> {
    client: &'a Client,
    server: &'a ServerArgs,
    only: Option<State>,
    /// The last number of the page before.
    before: Option<u64>,
}

impl<'a> Pages<'a> {
    /// Most webhooks of a page that the server sends.
    const LONGEST: u64 = 1000;

    fn new(client: &'a Client, server: &'a ServerArgs, only: Option<State>) -> Self {
        Self { client, server, only, before: None }
    }

    /// The next page, of at most so many; `None` after the last.
    async fn next(&mut self, most: u64) -> Result<Option<Vec<Value>>, Failure> {
        let url = address(self.server, &self.path(most));
        let mut answer = self.client.get(&url).await?;
        let webhooks = match answer.get_mut("webhooks").map(Value::take) {
            Some(Value::Array(webhooks)) => webhooks,
            _ => Vec::new(),
        };
        self.before = webhooks.last().and_then(|webhook| webhook.get("id")?.as_u64());
        Ok(self.before.is_some().then_some(webhooks))
    }

    fn path(&self, most: u64) -> String {
        let state = self.only.map(|state| format!("&state={}", state.as_str())).unwrap_or_default();
        let cursor = self.before.map(|before| format!("&cursor={before}")).unwrap_or_default();
        format!("webhooks?limit={}{state}{cursor}", most.min(Self::LONGEST))
    }
}

/// True for a webhook at a host, or at a host and port.
fn is_at(webhook: &Value, host: &str) -> bool {
    let url = webhook.get("url").and_then(Value::as_str).and_then(|url| Url::parse(url).ok());
    let Some((url, name)) = url.as_ref().and_then(|url| Some((url, url.host_str()?))) else { return false };
    let port = url.port_or_known_default().unwrap_or_default();
    host.eq_ignore_ascii_case(name) || host.eq_ignore_ascii_case(&format!("{name}:{port}"))
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
    fn hosts_are_named_with_or_without_their_port() {
        for (url, host, is_there) in [
            ("https://a.example/x", "a.example", true),
            ("https://a.example/x", "A.example:443", true),
            ("https://a.example:8443/x", "a.example", true),
            ("https://a.example:8443/x", "a.example:443", false),
            ("https://b.a.example/x", "a.example", false),
            ("x", "x", false),
        ] {
            assert_eq!(is_at(&json!({"url": url}), host), is_there, "{url} at {host}");
        }
    }

    #[test]
    fn a_line_says_what_an_operator_needs_to_decide() {
        let webhook = json!({"id": 7, "state": "dead", "attempts": 40, "request": "r1", "url": "https://a.example/x",
                             "last_error": "the receiver answers 500"});
        let expected = "     7  dead   40 attempts  r1  https://a.example/x  the receiver answers 500";
        assert_eq!(line(&webhook), expected);
    }
}
