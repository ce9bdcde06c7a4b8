//! The answer that is a file: its headers, its validators (RFC 9110 section 8.8), and its bytes.

use super::deadline::Deadline;
use super::file_body::FileBody;
use super::folder::Opened;
use super::response::{Answer, closing};
use ::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
    X_CONTENT_TYPE_OPTIONS,
};
use ::http::{HeaderMap, StatusCode};
use http_body_util::{Either, Full};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Answers a request for this file with the file, or with 304 if the client already has it.
pub(super) fn answer(opened: Opened, request: &HeaderMap, deadline: Deadline) -> Answer {
    let Opened { path, file, length, modified } = opened;
    let validators = Validators::of(length, modified);
    let mut answer = if validators.are_known_to(request) {
        closing(StatusCode::NOT_MODIFIED, Either::Left(Full::default()))
    } else {
        closing(StatusCode::OK, Either::Right(FileBody::new(file, length, deadline)))
    };
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, content_type(&path));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Clients may keep it but must ask again, so that a page never runs with an older script.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    for (name, value) in [(ETAG, Some(validators.etag)), (LAST_MODIFIED, validators.last_modified)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(name, value);
        }
    }
    answer
}

/// The content type that a file's name implies. Text is taken to be UTF-8.
fn content_type(path: &Path) -> HeaderValue {
    let mime = mime_guess::from_path(path).first_or_octet_stream();
    let is_text = mime.type_() == "text" || matches!(mime.subtype().as_str(), "javascript" | "json" | "xml");
    let charset = if is_text { "; charset=utf-8" } else { "" };
    let fallback = HeaderValue::from_static("application/octet-stream");
    HeaderValue::from_str(&format!("{}{charset}", mime.essence_str())).unwrap_or(fallback)
}

/// The validators by which a client sees whether a file has changed.
struct Validators {
    /// It is weak: two changes within the file system's unit of time, to the same length, cannot be told apart.
    etag: String,
    last_modified: Option<String>,
    modified: Option<SystemTime>,
}

impl Validators {
    fn of(length: u64, modified: Option<SystemTime>) -> Self {
        // httpdate supports no earlier times.
        let modified = modified.filter(|time| *time >= UNIX_EPOCH);
        let nanos = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default().as_nanos();
        Validators {
            etag: format!("W/\"{nanos:x}-{length:x}\""),
            last_modified: modified.map(httpdate::fmt_http_date),
            modified,
        }
    }

    /// Whether the client says that it has this very state of the file.
    fn are_known_to(&self, request: &HeaderMap) -> bool {
        // RFC 9110 section 13.1.3: If-Modified-Since is ignored if there is an If-None-Match.
        if request.contains_key(IF_NONE_MATCH) {
            return texts(request, &IF_NONE_MATCH)
                .flat_map(|list| list.split(','))
                .map(str::trim)
                .any(|tag| tag == "*" || weak(tag) == weak(&self.etag));
        }
        let since = texts(request, &IF_MODIFIED_SINCE).next().and_then(|date| httpdate::parse_http_date(date).ok());
        // The header's dates have whole seconds.
        since.zip(self.modified).is_some_and(|(since, modified)| seconds(modified) <= seconds(since))
    }
}

fn texts<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}

/// RFC 9110 section 8.8.3.2: weak comparison ignores the mark of weakness.
fn weak(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_of(name: &str) -> String {
        content_type(Path::new(name)).to_str().unwrap().to_owned()
    }

    #[test]
    fn names_say_what_files_hold() {
        assert_eq!(type_of("index.html"), "text/html; charset=utf-8");
        assert_eq!(type_of("a/app.js"), "text/javascript; charset=utf-8");
        assert_eq!(type_of("style.CSS"), "text/css; charset=utf-8");
        assert_eq!(type_of("logo.svg"), "image/svg+xml");
        assert_eq!(type_of("chat.png"), "image/png");
        assert_eq!(type_of("engine.wasm"), "application/wasm");
        assert_eq!(type_of("data.json"), "application/json; charset=utf-8");
        assert_eq!(type_of("unknown"), "application/octet-stream");
    }

    #[test]
    fn a_client_is_told_when_it_has_the_file() {
        let modified = UNIX_EPOCH + std::time::Duration::from_millis(784_111_777_900);
        let validators = Validators { etag: "W/\"b-1\"".into(), ..Validators::of(1, Some(modified)) };
        assert_eq!(validators.last_modified.as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        let known = |headers: &[(HeaderName, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            validators.are_known_to(&headers.collect())
        };
        assert!(!known(&[]));
        assert!(known(&[(IF_NONE_MATCH, "W/\"b-1\"")]));
        assert!(known(&[(IF_NONE_MATCH, "\"a\", \"b-1\"")]));
        assert!(known(&[(IF_NONE_MATCH, "*")]));
        assert!(!known(&[(IF_NONE_MATCH, "\"b-2\"")]));
        assert!(known(&[(IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:37 GMT")]), "what Last-Modified said");
        assert!(!known(&[(IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:36 GMT")]));
        assert!(!known(&[(IF_MODIFIED_SINCE, "yesterday")]));
        // RFC 9110 section 13.1.3: "A recipient MUST ignore If-Modified-Since if the request contains an If-None-Match
        // header field"
        assert!(!known(&[(IF_NONE_MATCH, "\"b-2\""), (IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:37 GMT")]));
    }
}
