//! What operators ask of a running server: evicting, recalls, pins, cold stores.

use std::process::ExitCode;

use bytesize::ByteSize;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Client, ServerArgs};
use super::{Failure, runtime};

/// Which objects are made cold again.
#[derive(Debug, Clone, Args)]
pub(crate) struct EvictArgs {
    /// Paths of objects
    #[arg(value_name = "PATH", required_unless_present = "all", conflicts_with = "all")]
    paths: Vec<String>,
    /// All that nobody pins or reads
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What to list.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    /// Most lines
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    server: ServerArgs,
}

/// What to do with cold stores.
#[derive(Debug, Subcommand)]
pub(crate) enum ColdCommand {
    /// Shows every cold store and how full the cache is
    List(ListArgs),
    /// Begins no new recalls on a store; those under way go on
    Pause(StoreArgs),
    /// Begins no new recalls and refuses requests for the store's objects
    Drain(StoreArgs),
    /// Begins recalls again
    Resume(StoreArgs),
}

/// Which store.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoreArgs {
    /// Its name: `[cold.NAME]`
    name: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// `thermocline evict`.
pub(crate) fn evict(args: &EvictArgs) -> Result<ExitCode, Failure> {
    let body = if args.all { json!({"all": true}) } else { json!({"paths": args.paths}) };
    let answer = ask(&args.server, "objects/evict", Some(&body))?;
    println!("{} evicted", answer.get("evicted").and_then(Value::as_u64).unwrap_or(0));
    let unknown = answer.get("unknown").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for object in unknown {
        eprintln!("{}: {}", text(object, "path"), text(object, "error"));
    }
    Ok(if unknown.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `thermocline recalls`.
pub(crate) fn recalls(args: &ListArgs) -> Result<ExitCode, Failure> {
    let answer = ask(&args.server, &format!("recalls?limit={}", args.limit), None)?;
    for recall in rows(&answer, "recalls") {
        println!("{:9}  {}  {}", text(recall, "state"), text(recall, "object"), text(recall, "reason"));
    }
    Ok(ExitCode::SUCCESS)
}

/// `thermocline pins`.
pub(crate) fn pins(args: &ListArgs) -> Result<ExitCode, Failure> {
    let answer = ask(&args.server, &format!("pins?limit={}", args.limit), None)?;
    for pin in rows(&answer, "pins") {
        println!("{}  until {}", text(pin, "path"), text(pin, "pinned_until"));
    }
    Ok(ExitCode::SUCCESS)
}

/// `thermocline cold`.
pub(crate) fn cold(command: &ColdCommand) -> Result<ExitCode, Failure> {
    let (args, action) = match command {
        ColdCommand::List(args) => return stores(args),
        ColdCommand::Pause(args) => (args, "pause"),
        ColdCommand::Drain(args) => (args, "drain"),
        ColdCommand::Resume(args) => (args, "resume"),
    };
    ask(&args.server, &format!("cold/{}/{action}", args.name), Some(&json!({})))?;
    Ok(ExitCode::SUCCESS)
}

fn stores(args: &ListArgs) -> Result<ExitCode, Failure> {
    let answer = ask(&args.server, "cold", None)?;
    for store in rows(&answer, "stores") {
        let count = |key: &str| store.get(key).and_then(Value::as_u64).unwrap_or(0);
        let (name, state, trouble) = (text(store, "name"), text(store, "state"), text(store, "trouble"));
        println!(
            "{name}: {state}, {} waiting, {} under way  {trouble}",
            count("n_waiting"),
            count("n_active")
        );
    }
    if let Some(cache) = answer.get("cache") {
        let bytes = |key: &str| ByteSize(cache.get(key).and_then(Value::as_u64).unwrap_or(0)).display().iec();
        println!(
            "cache: {} of {}, {} pinned",
            bytes("used_bytes"),
            bytes("capacity_bytes"),
            bytes("pinned_bytes")
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn ask(server: &ServerArgs, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
    let client = Client::new(&server.token)?;
    let url = format!("{}/{path}", server.server.trim_end_matches('/'));
    runtime()?.block_on(async {
        match body {
            Some(body) => client.post(&url, body).await,
            None => client.get(&url).await,
        }
    })
}

fn rows<'a>(answer: &'a Value, key: &str) -> &'a [Value] {
    answer.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row.get(key).and_then(Value::as_str).unwrap_or_default()
}
