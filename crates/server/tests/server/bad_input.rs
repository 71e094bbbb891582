//! Bad input: over the wire, each gets a clear error, changes nothing and ends nothing it should not.

use stonechat_client::{ConnectOptions, Connection, Received};
use stonechat_wire::Code;

use super::host::{Host, PATIENCE};

/// R-GW-9, D-4, W10: an unreadable frame gets a typed error with its client_id; the connection lives, until strikes.
#[tokio::test]
async fn r_gw_9_unreadable_frames_get_an_error() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let deep = format!(r#"{{"type":"message","metadata":{}1{}}}"#, "[".repeat(40), "]".repeat(40));
    let named = r#"{"type":"message","client_id":"0198c2de-1111-7111-8111-111111111111","content":7}"#;
    let mut live = kit.live().await;
    for (bad, id) in [
        ("nonsense", false),
        ("[]", false),
        ("{}", false),
        (r#"{"type":"launch"}"#, false),
        (r#"{"type":7}"#, false),
        (deep.as_str(), false),
        (r#"{"type":"message","content":1e400}"#, false),
        ("\u{feff}{}", false),
        (named, true),
    ] {
        live.connection.send_text(bad).await.unwrap();
        let error = live.error().await;
        assert_eq!(error.code, Code::BadRequest, "{bad}");
        assert_eq!(error.client_id.is_some(), id, "{bad}");
    }
    live.settle().await;
    for _ in 0..3 {
        live.connection.send_text("nonsense").await.unwrap();
    }
    assert_eq!(live.closed().await, 4029);
}

/// W4: a frame over 64 KiB ends the connection with 1009; before `connect` the limit is 4 KiB.
#[tokio::test]
async fn w4_oversized_frames_are_1009() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let mut live = kit.live().await;
    live.connection.send_text(&"x".repeat(64 * 1024 + 1)).await.unwrap();
    assert_eq!(live.closed().await, 1009);
    let mut early = Connection::open(&host.url, &ConnectOptions::default()).await.unwrap();
    early.send_text(&"x".repeat(5_000)).await.unwrap();
    let received = tokio::time::timeout(PATIENCE, early.recv()).await.unwrap().unwrap();
    assert!(matches!(&received, Received::Closed(closed) if closed.code == 1009), "{received:?}");
}

/// O6: texts that are too long, empty or hold NUL are refused with the field; the next one is taken.
#[tokio::test]
async fn o6_bad_texts_are_refused_and_good_ones_taken() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let mut live = ana.live().await;
    for (text, code) in [
        ("x".repeat(16 * 1024 + 1), Code::TooLarge),
        (String::new(), Code::Invalid),
        ("a\0b".to_owned(), Code::Invalid),
    ] {
        live.say(room, &text).await;
        let error = live.error().await;
        assert_eq!(error.code, code);
        assert_eq!(error.params["field"], "content");
    }
    live.say(room, &"x".repeat(16 * 1024)).await;
    live.ack().await;
}

/// W1: other pages may not open sockets; programs without an Origin may.
#[tokio::test]
async fn w1_foreign_origins_are_refused_before_the_upgrade() {
    let host = Host::start().await;
    let own = host.url.clone();
    let upper = own.to_uppercase();
    let evil = own.replace("127.0.0.1", "127.0.0.1.evil");
    for (origin, allowed) in [
        (own.as_str(), true),
        ("https://evil.example", false),
        ("null", false),
        (evil.as_str(), false),
        (upper.as_str(), false),
        (&own.replace("http:", "https:"), false),
    ] {
        let options =
            ConnectOptions { headers: vec![("Origin".into(), origin.into())], ..ConnectOptions::default() };
        let opened = Connection::open(&host.url, &options).await;
        assert_eq!(opened.is_ok(), allowed, "{origin}");
        if let Err(error) = opened {
            assert_eq!(error.code(), Some(Code::Forbidden), "{origin}");
        }
    }
    let twice = vec![("Origin".to_owned(), own.clone()), ("Origin".to_owned(), own)];
    let options = ConnectOptions { headers: twice, ..ConnectOptions::default() };
    assert!(Connection::open(&host.url, &options).await.is_err());
}

/// W13, O3, O4, O9: malformed REST requests get problem documents, never a 5xx.
#[tokio::test]
async fn o9_rest_answers_bad_requests_with_problems() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let client = reqwest::Client::new();
    let url = |path: &str| format!("{}/api/v1{path}", host.url);
    let get = |path: &str| client.get(url(path)).bearer_auth(&kit.token);
    let id = "0198c2de-1111-7111-8111-111111111111";
    for (request, status, code) in [
        (client.get(url("/me")), 401, "unauthenticated"),
        (client.get(url("/me")).bearer_auth("x.y.z"), 401, "unauthenticated"),
        (get("/nothing"), 404, "not_found"),
        (get(&format!("/conversations/{id}")), 404, "not_found"),
        (get("/conversations/lobby/messages?limit=0"), 422, "invalid"),
        (get("/conversations/lobby/messages?limit=-1"), 422, "invalid"),
        (get("/conversations/lobby/messages?before=x"), 422, "invalid"),
        (get("/conversations/lobby/messages?before=1&after=2"), 422, "invalid"),
        (get("/conversations?page=bm9uc2Vuc2U"), 422, "invalid"),
        (get("/conversations/lobby/messages/99"), 404, "not_found"),
        (get("/users/x"), 404, "not_found"),
        (get("/presence?user_id=x"), 422, "invalid"),
        (get("/ws"), 426, "bad_request"),
        (client.delete(url("/me")).bearer_auth(&kit.token), 405, "method_not_allowed"),
        (
            client.post(url("/conversations")).bearer_auth(&kit.token).body("{}"),
            415,
            "unsupported_media_type",
        ),
        (client.post(url("/auth/login")).json(&serde_json::json!({"handle": 7})), 400, "bad_request"),
        (
            client
                .post(url("/conversations"))
                .bearer_auth(&kit.token)
                .header("content-type", "application/json")
                .body("{"),
            400,
            "bad_request",
        ),
        (
            client
                .post(url("/conversations/lobby/messages"))
                .bearer_auth(&kit.token)
                .json(&serde_json::json!({"content": "x".repeat(1 << 20)})),
            413,
            "too_large",
        ),
        (
            client
                .post(url("/conversations/lobby/messages"))
                .bearer_auth(&kit.token)
                .header("idempotency-key", "nonsense")
                .json(&serde_json::json!({"content": "x"})),
            422,
            "invalid",
        ),
    ] {
        let response = request.send().await.unwrap();
        let path = response.url().path().to_owned();
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        let problem: serde_json::Value = response.json().await.unwrap();
        assert_eq!(problem["code"], code, "{path}");
        assert!(problem["request_id"].as_str().is_some_and(|id| !id.is_empty()));
    }
    // A page larger than allowed is cut to what is.
    assert_eq!(get("/conversations/lobby/messages?limit=1000000000").send().await.unwrap().status(), 200);
}

/// R-API-4: the idempotency key may stand in the header or the body; both must agree.
#[tokio::test]
async fn r_api_4_idempotency_key_in_either_place() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let id = stonechat_wire::ClientId::new();
    let post = |key: &str, body: serde_json::Value| {
        reqwest::Client::new()
            .post(format!("{}/api/v1/conversations/lobby/messages", host.url))
            .bearer_auth(&kit.token)
            .header("idempotency-key", key.to_owned())
            .json(&body)
            .send()
    };
    let first = post(&id.to_string(), serde_json::json!({"content": "x"})).await.unwrap();
    assert_eq!(first.status(), 201);
    let second = post(&id.to_string(), serde_json::json!({"content": "x", "client_id": id})).await.unwrap();
    assert_eq!(second.status(), 200);
    let other = stonechat_wire::ClientId::new();
    let differs =
        post(&other.to_string(), serde_json::json!({"content": "x", "client_id": id})).await.unwrap();
    assert_eq!(differs.status(), 422);
    let mismatch = post(&id.to_string(), serde_json::json!({"content": "y"})).await.unwrap();
    assert_eq!(mismatch.status(), 409);
}

/// Requests to foreign conversations through the socket change nothing.
#[tokio::test]
async fn w7_every_socket_operation_is_checked() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[]).await;
    let at = ana.say(room, "mine").await.seq;
    let mut live = bo.live().await;
    for frame in [
        r#"{"type":"message","client_id":"ID","conversation_id":"C","content":"x"}"#,
        r#"{"type":"edit","client_id":"ID","conversation_id":"C","message_seq":2,"content":"x","version":{}}"#,
        r#"{"type":"delete","client_id":"ID","conversation_id":"C","message_seq":2}"#,
        r#"{"type":"react","client_id":"ID","conversation_id":"C","message_seq":2,"emoji":"x","action":"add"}"#,
        r#"{"type":"pin","client_id":"ID","conversation_id":"C","message_seq":2,"pinned":true}"#,
        r#"{"type":"read","conversation_id":"C","read_generation":0,"read_seq":2}"#,
        r#"{"type":"mark_unread","conversation_id":"C","seq":2}"#,
        r#"{"type":"typing","conversation_id":"C","action":"start"}"#,
        r#"{"type":"subscribe","conversations":["C"]}"#,
    ] {
        let id = stonechat_wire::ClientId::new().to_string();
        live.connection.send_text(&frame.replace("ID", &id).replace('C', &room.to_string())).await.unwrap();
        assert_eq!(live.error().await.code, Code::NotFound, "{frame}");
    }
    assert_eq!(ana.rest.conversation(room).await.unwrap().last_seq, at);
}

/// A ping is answered, a close is answered with its code.
#[tokio::test]
async fn w5_close_is_answered() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let mut live = kit.live().await;
    live.connection.close(1000, "bye").await.unwrap();
    assert_eq!(live.closed().await, 1000);
}
