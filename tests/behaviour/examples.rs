//! Each example does what its head says.

use crate::common::{Host, hear, try_connect};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderMap, Response};

/// Connects to `auth` with one more header; what it answered, and what it said first.
async fn identify(host: &Host, path: &str, header: (&'static str, &str)) -> Result<(HeaderMap, String), Error> {
    let mut request = host.url(path).into_client_request().expect("a request");
    request.headers_mut().insert(header.0, header.1.parse().expect("a value"));
    let (mut client, response) = tokio_tungstenite::connect_async(request).await?;
    Ok((response.headers().clone(), hear(&mut client).await))
}

#[tokio::test(flavor = "multi_thread")]
async fn auth_lets_in_who_has_a_token() {
    let host = Host::with("auth", &[]);
    let (headers, welcome) = identify(&host, "/?token=sesame", ("x-nothing", "")).await.expect("let in");
    assert_eq!(welcome, "Welcome Ali!");
    assert_eq!(headers["set-cookie"], "token=sesame; HttpOnly; SameSite=Strict");
    assert!(!headers.contains_key("sec-websocket-protocol"));
    let (_, welcome) = identify(&host, "/", ("authorization", "Bearer sesame")).await.expect("let in");
    assert_eq!(welcome, "Welcome Ali!");
    let (_, welcome) = identify(&host, "/", ("cookie", "theme=dark; token=sesame")).await.expect("let in");
    assert_eq!(welcome, "Welcome Ali!");
    let offer = ("sec-websocket-protocol", "chat, greeting.v1");
    let (headers, _) = identify(&host, "/?token=sesame", offer).await.expect("let in");
    assert_eq!(headers["sec-websocket-protocol"], "greeting.v1");
}

#[tokio::test(flavor = "multi_thread")]
async fn auth_answers_everyone_else_with_401() {
    let host = Host::with("auth", &[]);
    for path in ["/", "/?token=", "/?token=opensesame", "/?tokens=sesame"] {
        match try_connect(&host, path).await {
            Err(Error::Http(response)) => rejected(&response),
            other => panic!("{path}: {other:?}"),
        }
    }
    for header in [("authorization", "Basic sesame"), ("cookie", "token"), ("cookie", ""), ("cookie", "token=")] {
        match identify(&host, "/", header).await {
            Err(Error::Http(response)) => rejected(&response),
            other => panic!("{header:?}: {other:?}"),
        }
    }
}

fn rejected(response: &Response<Option<Vec<u8>>>) {
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    let body = String::from_utf8_lossy(response.body().as_deref().expect("a body"));
    assert_eq!(body, "Give a valid token, as in /?token=...\n");
}
