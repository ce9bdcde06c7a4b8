//! Authentication: only who has a token is let in, and is known by name from then on.
//!
//! The token comes in the query (`/?token=sesame`), a header (`Authorization: Bearer sesame`), or the cookie `token`,
//! which the answer sets for the next time. The tokens and whom they stand for are configuration:
//! `tokens = { sesame = "Ali" }` unless set.
//!
//! Try it: `cargo build -p wshost -p auth && target/debug/wshost --plugin libauth.so`

use plugin_api::prelude::*;
use std::collections::HashMap;

/// What is spoken here, for clients that ask for it by name.
const SUBPROTOCOL: &str = "greeting.v1";

#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Auth {
    /// Names by their tokens.
    tokens: HashMap<String, String>,
}

impl Default for Auth {
    fn default() -> Self {
        Auth { tokens: HashMap::from([("sesame".into(), "Ali".into())]) }
    }
}

#[derive(Default)]
struct User {
    name: String,
}

impl Engine for Auth {
    type Session = User;

    /// Looking a token up in a file or a database may take its time, which an event loop does not have.
    const AUTHENTICATE_ON_WORKER: bool = true;

    fn new(_host: Host, config: &Config) -> Result<Self> {
        Ok(config.parse()?)
    }

    fn authenticate(&self, request: &Request) -> Result<Accept<User>, Reject> {
        let (token, name) = token(request).and_then(|token| self.tokens.get_key_value(&token)).ok_or_else(|| {
            Reject::unauthorized().header("www-authenticate", "Bearer").body("Give a valid token, as in /?token=...\n")
        })?;
        let mut accept = Accept::new(User { name: name.clone() })
            .header("set-cookie", format!("token={token}; HttpOnly; SameSite=Strict"));
        if request.subprotocols().any(|offered| offered == SUBPROTOCOL) {
            accept = accept.subprotocol(SUBPROTOCOL);
        }
        Ok(accept)
    }

    fn on_open(&self, client: &Client, user: &mut User) -> Option<Box<dyn Job>> {
        client.send_text(&format!("Welcome {}!", user.name));
        None
    }

    fn on_text(&self, client: &Client, user: &mut User, text: &str) -> Option<Box<dyn Job>> {
        client.send_text(&format!("{}: {text}", user.name));
        None
    }
}

/// The token, wherever the request has it.
fn token(request: &Request) -> Option<String> {
    let query = || request.query_value("token").map(Into::into);
    let header = || request.header("authorization")?.strip_prefix("Bearer ").map(str::to_owned);
    let cookie = || request.cookie("token").map(str::to_owned);
    query().or_else(header).or_else(cookie)
}

export_engine!(Auth);
