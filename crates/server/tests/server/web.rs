//! Web: how the page comes out of the binary, whether the web app was built into it or the small page stands in its
//! place.

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderName, IF_NONE_MATCH};
use reqwest::{Client, Method};

use super::host::Host;

const ADDRESSES: &[&str] = &[
    "/",
    "/setup",
    "/login",
    "/join/token",
    "/c/lobby",
    "/c/0198c2de-1111-7111-8111-111111111111/7",
    "/settings",
    "/settings/devices",
];

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

async fn ask(host: &Host, method: Method, path: &str, headers: &[(HeaderName, &str)]) -> Answer {
    let mut request = Client::new().request(method, format!("{}{path}", host.url));
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
}

async fn get(host: &Host, path: &str, headers: &[(HeaderName, &str)]) -> Answer {
    ask(host, Method::GET, path, headers).await
}

/// Addresses of this server that the page names.
fn parts(html: &str) -> Vec<String> {
    let is_path = |text: &&str| text.len() > 1 && text.starts_with('/') && !text.contains(['>', ' ']);
    html.split(['"', '\'']).filter(is_path).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_address_of_the_app_is_the_app() {
    let host = Host::start().await;
    let first = get(&host, "/", &[]).await;
    for path in ADDRESSES {
        let page = get(&host, path, &[]).await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
        assert_eq!((page.header("cache-control"), &page.body), ("no-cache", &first.body), "{path}");
    }
    let head = ask(&host, Method::HEAD, "/", &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

/// FR-12: whatever else is asked for: a browser sees the page say so, a program nothing.
#[tokio::test]
async fn fr_12_an_unknown_address_is_not_found_and_still_the_app() {
    let host = Host::start().await;
    let page = get(&host, "/", &[]).await;
    let browser = [(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8"), (IF_NONE_MATCH, "*")];
    let known = get(&host, "/", &[]).await.header("etag").to_owned();
    for path in ["/nowhere", "/c", "/c/a/b/c", "/settings/a/b", "/assets/none", "/%2e%2e/etc/passwd"] {
        let missing = get(&host, path, &browser).await;
        assert_eq!((missing.status, &missing.body), (404, &page.body), "{path}");
        assert!(!missing.header("content-security-policy").is_empty());
        let program = get(&host, path, &[(ACCEPT, "*/*"), (IF_NONE_MATCH, &known)]).await;
        assert_eq!((program.status, program.body.len()), (404, 0), "{path}");
    }
    assert_eq!(ask(&host, Method::POST, "/nowhere", &browser).await.status, 404);
}

/// SX-01: each part that the page names is here, with its type, and nothing sniffs another one into it.
#[tokio::test]
async fn sx_01_what_the_page_asks_for_is_served_under_its_policy() {
    let host = Host::start().await;
    let page = get(&host, "/", &[]).await;
    let parts = parts(page.text());
    assert!(
        parts.iter().any(|part| part.ends_with(".js")) && parts.iter().any(|part| part.ends_with(".css"))
    );
    for path in parts {
        let part = get(&host, &path, &[]).await;
        assert_eq!(part.status, 200, "{path}");
        assert!(!part.body.is_empty() && !part.header("content-type").contains("html"), "{path}");
        assert_eq!(part.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(part.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(part.header("cross-origin-opener-policy"), "same-origin", "{path}");
        let keep =
            if path.starts_with("/assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        assert_eq!(part.header("cache-control"), keep, "{path}");
    }
    let policy = page.header("content-security-policy");
    let inline = page.text().matches("<script>").count();
    assert_eq!(policy.matches("'sha256-").count(), inline, "{policy}");
    assert!(!policy.contains("unsafe") && policy.contains("require-trusted-types-for 'script'"), "{policy}");
}

/// The app is sent compressed as it was built, and not again to whoever has it. The small page has neither.
#[tokio::test]
async fn the_page_is_sent_once_and_small() {
    let host = Host::start().await;
    let plain = get(&host, "/", &[]).await;
    let small = get(&host, "/", &[(ACCEPT_ENCODING, "gzip, deflate, br, zstd")]).await;
    assert_eq!(plain.header("content-encoding"), "");
    if !plain.text().contains("/assets/") {
        assert_eq!((small.header("content-encoding"), &small.body), ("", &plain.body));
        assert_eq!(small.header("etag"), "");
        return;
    }
    assert_eq!((small.header("content-encoding"), small.header("vary")), ("br", "accept-encoding"));
    assert!(small.body.len() < plain.body.len());
    for (page, encodings) in [(&plain, ""), (&small, "br")] {
        let asked = [(ACCEPT_ENCODING, encodings), (IF_NONE_MATCH, page.header("etag"))];
        let again = get(&host, "/", &asked).await;
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, page.header("etag")));
    }
    let other = [(ACCEPT_ENCODING, "gzip"), (IF_NONE_MATCH, small.header("etag"))];
    assert_eq!(get(&host, "/", &other).await.status, 200);
}
