//! Paths in the form in which they are compared: decoded, segment by segment (RFC 3986 section 6.2.2).
//!
//! An operator may write a path encoded or not, and a client encodes its path as it likes. Engines see the path as the
//! client sent it.

use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// The segments of a path, each decoded.
///
/// An encoded slash is part of its segment and no separator. Bytes need not be UTF-8. An invalid escape, such as `%zz`,
/// stays as it is. The segments `.` and `..`, encoded or not, work as in a browser (RFC 3986 section 5.2.4), and cannot
/// lead above the root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segments<'p>(Vec<Cow<'p, [u8]>>);

impl<'p> Segments<'p> {
    /// The segments of a request's path. If the path ends with a slash, the last one is empty.
    pub(crate) fn of(path: &'p str) -> Self {
        let mut segments: Vec<Cow<'p, [u8]>> = Vec::new();
        let mut parts = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
        while let Some(part) = parts.next() {
            let segment = Cow::from(percent_decode_str(part));
            let stays = match segment.as_ref() {
                b"." => false,
                b".." => {
                    segments.pop();
                    false
                }
                _ => true,
            };
            if stays {
                segments.push(segment);
            } else if parts.peek().is_none() {
                // `/a/..` is `/`, with its slash.
                segments.push(Cow::default());
            }
        }
        Segments(segments)
    }

    /// The segments of a path under which something lies. A slash at its end does not matter.
    pub(crate) fn of_place(path: &'p str) -> Self {
        let mut segments = Segments::of(path);
        while segments.0.last().is_some_and(|last| last.is_empty()) {
            segments.0.pop();
        }
        segments
    }

    /// Whether `path` is this place or lies below it.
    pub(crate) fn cover(&self, path: &Segments<'_>) -> bool {
        path.0.starts_with(&self.0)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The same, with memory of its own.
    pub(crate) fn into_owned(self) -> Segments<'static> {
        Segments(self.0.into_iter().map(|segment| Cow::Owned(segment.into_owned())).collect())
    }
}

/// Whether two paths, in whatever spelling, mean the same place; `None` is every path.
pub(crate) fn are_same(one: Option<&str>, other: Option<&str>) -> bool {
    one.map(Segments::of_place) == other.map(Segments::of_place)
}

/// A path under which something lies, as it is displayed.
pub(crate) fn without_slashes_behind(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { "/" } else { trimmed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_mean_the_same_are_the_same() {
        let same = |one, other| Segments::of(one) == Segments::of(other);
        for (one, other) in [
            ("/chat", "/ch%61t"),
            ("/café", "/caf%C3%A9"),
            ("/café", "/caf%c3%a9"),
            ("/my room", "/my%20room"),
            ("/a%2fb", "/a%2Fb"),
            ("/a/./b", "/a/b"),
            ("/x/../a/%2e%2E/b", "/b"),
            ("/a/.%2e", "/"),
            ("/a/.", "/a/"),
            ("/../..//a", "//a"),
            ("/%7Ea", "/~a"),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("/a%2Fb", "/a/b"),
            ("/a%2Fb", "/a%252Fb"),
            ("/chat", "/Chat"),
            ("/a+b", "/a%20b"),
            ("//a", "/a"),
            ("/a//b", "/a/b"),
            ("/a", "/a/"),
            ("/a", "/a%00"),
            ("/a/b", "/a%C0%AFb"),
            ("/.", "/%252e"),
            ("/é", "/e%CC%81"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn escapes_that_are_none_stay_and_nothing_panics() {
        let segments = |path| Segments::of(path).0.iter().map(|segment| segment.to_vec()).collect::<Vec<_>>();
        assert_eq!(segments("/%zz/%4/%"), [&b"%zz"[..], b"%4", b"%"]);
        assert_eq!(segments("/%ff%00/a%2fb"), [&b"\xff\0"[..], b"a/b"]);
        assert_eq!(segments(""), [b""]);
        assert_eq!(segments("*"), [b"*"]);
        assert_eq!(segments(&"/%2e%2e".repeat(10_000)), [b""]);
    }

    #[test]
    fn a_place_covers_what_lies_below_it() {
        let covers = |place, path| Segments::of_place(place).cover(&Segments::of(path));
        assert!(covers("/chat", "/chat") && covers("/chat", "/chat/") && covers("/chat/", "/ch%61t/room"));
        assert!(covers("/", "/") && covers("/", "//x"));
        for path in ["/chatty", "/", "/chat%2Froom", "/chat/../admin", "/chat%00"] {
            assert!(!covers("/chat", path), "{path}");
        }
    }

    #[test]
    fn places_are_the_same_as_they_are_compared() {
        assert!(are_same(Some("/caf%C3%A9/"), Some("/café")) && are_same(None, None));
        assert!(!are_same(Some("/"), None) && !are_same(Some("/a%2Fb"), Some("/a/b")));
    }
}
