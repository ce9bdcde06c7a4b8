//! The manifest in the library's file. It can be read without opening the library, and thus without running its code.
//!
//! It is text in a section of its own, written while the engine is compiled: [`MAGIC`], then `key=value` for each
//! field, each ended by a zero byte. So `readelf -p .wshost.manifest libmine.so` shows it as well. A reader ignores
//! keys that it does not know. It also ignores a text that does not begin with its own magic: then the library must be
//! opened. it does not know, and over a text that does not begin with its own magic: then the library has to be opened.

use serde::{Deserialize, Serialize};

/// The section of the library that contains the text; [`export_engine!`](crate::export_engine) puts it there.
pub const SECTION: &str = ".wshost.manifest";

/// The start of the text, which names its kind and format.
const MAGIC: &str = "wshost.manifest.text/1";

/// An engine's name and build, in memory of the reader's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileManifest {
    /// The name of the engine's package.
    pub name: String,
    /// The version of the engine's package.
    pub version: String,
    /// The description of the engine's package; may be empty.
    pub description: String,
    /// The version of plugin-api it was built with.
    pub plugin_api: String,
    /// The ids of the tables that it always offers. Opening it may show more.
    pub interfaces: Vec<String>,
    /// The compiler, as `rustc --version` prints it.
    pub rustc: String,
    /// The target triple.
    pub target: String,
    /// Whether its panics unwind. If they abort, the host cannot contain them.
    pub panic_unwinds: bool,
}

/// A field on its way into the text: its key, and the words of its value.
pub(crate) type Field<'a> = (&'static str, &'a [&'static str]);

impl FileManifest {
    /// Reads the text of the section. Returns `None` if it has another format, or lacks the name or the revision.
    pub fn parse(section: &[u8]) -> Option<FileManifest> {
        let text = std::str::from_utf8(section).ok()?;
        let mut parts = text.split('\0');
        if parts.next() != Some(MAGIC) {
            return None;
        }
        let fields: Vec<_> = parts.filter_map(|part| part.split_once('=')).collect();
        let field = |key| fields.iter().find(|field| field.0 == key).map(|field| field.1);
        let told = |key| field(key).unwrap_or_default().to_owned();
        Some(FileManifest {
            name: field("name")?.to_owned(),
            version: told("version"),
            description: told("description"),
            plugin_api: field("plugin_api")?.to_owned(),
            interfaces: told("interfaces").split_whitespace().map(str::to_owned).collect(),
            rustc: told("rustc"),
            target: told("target"),
            panic_unwinds: field("panic") != Some("abort"),
        })
    }
}

/// Bytes of the text with these fields.
pub(crate) const fn length(fields: &[Field<'_>]) -> usize {
    write(fields, &mut [])
}

/// The text with these fields; `N` is its [`length`].
pub(crate) const fn text<const N: usize>(fields: &[Field<'_>]) -> [u8; N] {
    let mut text = [0; N];
    assert!(write(fields, &mut text) == N);
    text
}

/// Writes as much of the text as fits, and returns the whole length.
const fn write(fields: &[Field<'_>], text: &mut [u8]) -> usize {
    let mut end = put(text, 0, MAGIC);
    end = put(text, end, "\0");
    let mut index = 0;
    while index < fields.len() {
        let (key, words) = fields[index];
        end = put(text, end, key);
        end = put(text, end, "=");
        let mut word = 0;
        while word < words.len() {
            if word > 0 {
                end = put(text, end, " ");
            }
            end = put(text, end, words[word]);
            word += 1;
        }
        end = put(text, end, "\0");
        index += 1;
    }
    end
}

const fn put(text: &mut [u8], at: usize, part: &str) -> usize {
    let part = part.as_bytes();
    let mut index = 0;
    while index < part.len() {
        if at + index < text.len() {
            text[at + index] = part[index];
        }
        index += 1;
    }
    at + part.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[Field<'_>] = &[
        ("name", &["chat"]),
        ("version", &["1.2.3"]),
        ("description", &["Rooms,\nand = who is in them"]),
        ("plugin_api", &["1.0.0"]),
        ("interfaces", &["wshost.engine/1", "wshost.manifest/1"]),
        ("from a later release", &["whatever"]),
        ("panic", &["abort"]),
    ];
    const TEXT: [u8; length(FIELDS)] = text(FIELDS);

    #[test]
    fn what_is_written_is_read() {
        let manifest = FileManifest {
            name: "chat".into(),
            version: "1.2.3".into(),
            description: "Rooms,\nand = who is in them".into(),
            plugin_api: "1.0.0".into(),
            interfaces: vec!["wshost.engine/1".into(), "wshost.manifest/1".into()],
            rustc: String::new(),
            target: String::new(),
            panic_unwinds: false,
        };
        assert_eq!(FileManifest::parse(&TEXT).unwrap(), manifest);
        assert_eq!(FileManifest::parse(&[&TEXT[..], &[0; 5]].concat()).unwrap(), manifest, "with a linker's padding");
    }

    #[test]
    fn what_is_no_manifest_is_none() {
        assert_eq!(FileManifest::parse(b""), None);
        assert_eq!(FileManifest::parse(b"wshost.manifest.text/2\0name=x\0plugin_api=1.0.0\0"), None);
        assert_eq!(FileManifest::parse(b"wshost.manifest.text/1\0name=x\0"), None, "of what revision?");
        assert_eq!(FileManifest::parse(b"wshost.manifest.text/1\0name=\xff\0plugin_api=1.0.0\0"), None);
        for end in 0..TEXT.len() {
            let _ = FileManifest::parse(&TEXT[..end]);
        }
    }
}
