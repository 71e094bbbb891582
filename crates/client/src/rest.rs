//! REST: the typed calls of everything under `/api/v1`, and of `/ready` and `/health`.
//!
//! A call is one request; nothing is retried here. A repeat with the same `client_id` is always safe.

mod account;
mod admin;
mod conversations;
mod messages;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use stonechat_wire::{ConversationId, Cursor, Problem, Ready, SyncPage};

pub use self::conversations::PageQuery;
pub use self::messages::{MessagesQuery, Window};
use crate::error::{Result, Transport};
use crate::frames;

/// For connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For a whole answer; long polls add their own wait.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The body of a request that has none.
const NONE: Option<&()> = None;

/// The REST surface of one server, as one signed-in device or as nobody. Clones share connections.
///
/// ```no_run
/// # async fn run() -> stonechat_client::Result<()> {
/// use stonechat_client::{MessagesQuery, Rest};
/// let rest = Rest::new("http://127.0.0.1:8080")?.with_token("bot_…");
/// let page = rest.messages("ops", &MessagesQuery::default()).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Rest {
    client: Client,
    base_url: String,
    token: Option<String>,
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// How the HTTP client behaves.
#[derive(Clone, Debug, Default)]
pub struct RestOptions {
    /// The address to connect from.
    pub local_address: Option<IpAddr>,
    /// `User-Agent`; the SDK's name and version unless given.
    pub user_agent: Option<String>,
}

/// Query of `GET /sync`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SyncQuery {
    /// Where the device stands; without one it starts anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// Most frames of a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// The conversation to serve before all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<ConversationId>,
    /// Newest events per conversation; older ones come as a `gap`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<u32>,
    /// How long to wait for something new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

impl Rest {
    /// A client of the server at `base_url` (`http://host:port`), not signed in.
    ///
    /// # Errors
    /// `Transport` when the HTTP client cannot be made.
    pub fn new(base_url: &str) -> Result<Self> {
        Self::with_options(base_url, &RestOptions::default())
    }

    /// As [`Rest::new`], with options.
    ///
    /// # Errors
    /// As there.
    pub fn with_options(base_url: &str, options: &RestOptions) -> Result<Self> {
        let user_agent = options.user_agent.as_deref().unwrap_or(crate::USER_AGENT);
        let client = Client::builder()
            .user_agent(user_agent)
            .local_address(options.local_address)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .tcp_nodelay(true)
            .build()?;
        Ok(Self { client, base_url: base_url.trim_end_matches('/').to_owned(), token: None })
    }

    /// The same server and connections, signed in by an access or device token.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// The server's address, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The token requests carry.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// `GET /ready`: what state the server is in. An answer of 503 is an answer.
    ///
    /// # Errors
    /// `Transport`.
    pub async fn ready(&self) -> Result<Ready> {
        let response = self.client.get(format!("{}/ready", self.base_url)).send().await?;
        let status = response.status();
        let text = response.text().await?;
        serde_json::from_str(&text).map_err(|_| refusal(status, None, &text))
    }

    /// `GET /health`: whether the process answers.
    ///
    /// # Errors
    /// `Transport`.
    pub async fn health(&self) -> Result<()> {
        checked(self.client.get(format!("{}/health", self.base_url)).send().await?).await?;
        Ok(())
    }

    /// `GET /sync`: one page of what happened since the cursor.
    ///
    /// # Errors
    /// `Refused` or `Transport`.
    pub async fn sync(&self, query: &SyncQuery) -> Result<SyncPage> {
        let wait = Duration::from_millis(query.wait_ms.unwrap_or(0));
        let request = self.request(Method::GET, "/sync").query(query).timeout(TIMEOUT + wait);
        let text = checked(request.send().await?).await?.text().await?;
        Ok(frames::decode_sync_page(&text)?)
    }

    /// Any call below `/api/v1` that is not typed here, with its answer's status and body; for tests of what a
    /// server does with requests no SDK makes.
    ///
    /// # Errors
    /// `Transport`; a refusal is an answer.
    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Result<(u16, header::HeaderMap, String)> {
        let mut request = self.request(method, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        let response = request.send().await?;
        Ok((response.status().as_u16(), response.headers().clone(), response.text().await?))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}/api/v1{path}", self.base_url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, query: &(impl Serialize + ?Sized)) -> Result<T> {
        read(self.request(Method::GET, path).query(query)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T> {
        read(with_body(self.request(method, path), body)).await
    }

    /// For calls whose answer holds nothing of interest.
    async fn done(&self, method: Method, path: &str, body: Option<&impl Serialize>) -> Result<()> {
        checked(with_body(self.request(method, path), body).send().await?).await?;
        Ok(())
    }
}

fn with_body(request: RequestBuilder, body: Option<&impl Serialize>) -> RequestBuilder {
    match body {
        Some(body) => request.json(body),
        None => request,
    }
}

async fn read<T: DeserializeOwned>(request: RequestBuilder) -> Result<T> {
    let text = checked(request.send().await?).await?.text().await?;
    Ok(serde_json::from_str(&text)?)
}

async fn checked(response: Response) -> Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let retry_after =
        retry_after.and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    let text = response.text().await?;
    Err(refusal(status, retry_after, &text))
}

fn refusal(status: StatusCode, retry_after: Option<Duration>, text: &str) -> crate::Error {
    match serde_json::from_str::<Problem>(text) {
        Ok(mut problem) => {
            let asked = retry_after.and_then(|wait| u64::try_from(wait.as_millis()).ok());
            problem.retry_after_ms = problem.retry_after_ms.or(asked);
            problem.into()
        }
        Err(_) => Transport::Status { status: status.as_u16(), retry_after }.into(),
    }
}

/// A path segment made of text from outside: percent-encoded (RFC 3986, 3.3).
fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_cannot_leave_their_place() {
        assert_eq!(segment("ops-1"), "ops-1");
        assert_eq!(segment("../é?"), "..%2F%C3%A9%3F");
    }

    /// R-API-8: absent values are absent from the query.
    #[test]
    fn r_api_8_sync_query() {
        let rest = Rest::new("http://localhost/").unwrap();
        let query =
            SyncQuery { cursor: Some(Cursor("a b".into())), wait_ms: Some(5), ..SyncQuery::default() };
        let request = rest.request(Method::GET, "/sync").query(&query).build().unwrap();
        assert_eq!(request.url().as_str(), "http://localhost/api/v1/sync?cursor=a+b&wait_ms=5");
    }
}
