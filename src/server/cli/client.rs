//! Talks to a running server, for the commands that ask one.

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::Value;

use super::Failure;
use super::token::{hexadecimal, random};

/// Header that makes repeating a request harmless.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// How long the server may take to begin an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Which server, and who asks it.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    /// Address of the server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9000", env = "THERMOCLINE_SERVER")]
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) token: TokenArgs,
}

/// Who asks.
#[derive(Debug, Clone, Args)]
pub(crate) struct TokenArgs {
    /// Token; better in the environment, where other users of the machine do not see it
    #[arg(long, env = "THERMOCLINE_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// A client of a server.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
}

impl Client {
    /// A client that shows this token.
    pub(crate) fn new(token: &TokenArgs) -> Result<Self, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = &token.token {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            let mut value = value.map_err(|_| Failure::Usage("the token contains no text".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("thermocline/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|cause| Failure::because("cannot make a client", cause))?;
        Ok(Self { http })
    }

    /// Gets a document.
    pub(crate) async fn get(&self, url: &str) -> Result<Value, Failure> {
        self.ask(self.http.get(url), url).await
    }

    /// Posts a document.
    pub(crate) async fn post(&self, url: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(self.posting(url, body), url).await
    }

    /// Posts a document whose effect is the same however often it arrives: once more if no whole answer came.
    pub(crate) async fn post_repeatable(&self, url: &str, body: &Value) -> Result<Value, Failure> {
        let key = hexadecimal(&random::<16>()?);
        let posting = || self.posting(url, body).header(IDEMPOTENCY_KEY, &key);
        match send(posting(), url).await {
            Ok(answer) => document(url, answer),
            Err(_) => self.ask(posting(), url).await,
        }
    }

    fn posting(&self, url: &str, body: &Value) -> RequestBuilder {
        self.http.post(url).header(CONTENT_TYPE, "application/json").body(body.to_string())
    }

    async fn ask(&self, request: RequestBuilder, url: &str) -> Result<Value, Failure> {
        document(url, send(request, url).await?)
    }

    /// Opens a stream of events, from the one after `last_id` on. `Ok(None)` if none will come any more.
    pub(crate) async fn events(&self, url: &str, last_id: Option<&str>) -> Result<Option<Response>, Failure> {
        let mut request = self.http.get(url).header(ACCEPT, "text/event-stream");
        if let Some(id) = last_id {
            request = request.header("Last-Event-ID", id);
        }
        let began = tokio::time::timeout(ANSWER_TIMEOUT, request.send()).await;
        let began = began.map_err(|_| Failure::Failed(format!("{url} does not answer")))?;
        let response = began.map_err(|cause| unreachable(url, &cause))?;
        match response.status() {
            StatusCode::NO_CONTENT => Ok(None),
            status if status.is_success() => Ok(Some(response)),
            status => {
                let bytes = response.bytes().await.unwrap_or_default();
                Err(refused(url, status, &bytes))
            }
        }
    }
}

/// An answer; an error if none came, or not the whole of it.
async fn send(request: RequestBuilder, url: &str) -> Result<(StatusCode, Bytes), Failure> {
    let response = request.timeout(ANSWER_TIMEOUT).send().await.map_err(|cause| unreachable(url, &cause))?;
    let status = response.status();
    let bytes = response.bytes().await.map_err(|cause| unreachable(url, &cause))?;
    Ok((status, bytes))
}

/// The document of an answer.
fn document(url: &str, (status, bytes): (StatusCode, Bytes)) -> Result<Value, Failure> {
    if !status.is_success() {
        return Err(refused(url, status, &bytes));
    }
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes)
        .map_err(|cause| Failure::because(format_args!("{url} sent no JSON"), cause))
}

fn unreachable(url: &str, cause: &reqwest::Error) -> Failure {
    let mut deepest: &dyn std::error::Error = cause;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    Failure::Failed(format!("cannot reach {url}: {deepest}"))
}

/// What the server says is wrong.
fn refused(url: &str, status: StatusCode, body: &[u8]) -> Failure {
    let problem: Option<Value> = serde_json::from_slice(body).ok();
    let detail = problem.as_ref().and_then(|problem| problem.get("detail")?.as_str());
    let detail = detail.map_or_else(|| format!("{url} answers {status}"), str::to_owned);
    match status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        true => Failure::Usage(detail),
        false => Failure::Failed(detail),
    }
}
