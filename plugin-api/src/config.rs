//! The configuration that the operator gives an engine.

use crate::abi::{Code, ConfigView};
use serde::de::DeserializeOwned;
use std::fmt;

/// The format of a [`Config`]'s text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// No configuration was given.
    #[default]
    None,
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

/// An engine's configuration, as text. It is empty if the operator gave none.
pub struct Config<'a> {
    view: ConfigView<'a>,
}

impl<'a> Config<'a> {
    pub(crate) fn new(view: ConfigView<'a>) -> Self {
        Config { view }
    }

    /// The text. It is empty if there is no configuration.
    pub fn text(&self) -> &'a str {
        self.view.text.as_str()
    }

    /// The source of the text, for messages: a file's path, or empty.
    pub fn source(&self) -> &'a str {
        self.view.source.as_str()
    }

    /// Parses the configuration into a type of the engine's own. If there is no configuration, an empty table is
    /// parsed, so that a type whose fields all have defaults always succeeds.
    ///
    /// ```
    /// # use plugin_api::prelude::*;
    /// #[derive(serde::Deserialize)]
    /// #[serde(default, deny_unknown_fields)]
    /// struct Settings {
    ///     history: usize,
    /// }
    ///
    /// impl Default for Settings {
    ///     fn default() -> Self {
    ///         Settings { history: 50 }
    ///     }
    /// }
    ///
    /// fn settings(config: &Config) -> Result<Settings> {
    ///     Ok(config.parse()?)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The error names file, line and key. If [`Engine::new`](crate::Engine::new) returns it at the start, the host
    /// ends with exit code 78.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        parse(self.text(), self.format()).map_err(|mut error| {
            error.source = self.source().to_owned();
            error
        })
    }

    /// The format of the text.
    pub fn format(&self) -> Format {
        Format::of(self.view.format)
    }
}

impl fmt::Debug for Config<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Config({} bytes of {:?} from {:?})", self.text().len(), self.format(), self.source())
    }
}

/// Says where and why a configuration does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file; empty if no configuration was given.
    source: String,
    /// Counted from 1; 0 if it is not known.
    line: usize,
    /// The key, with those above it: `rooms.lobby.limit`. Empty if the error is about the whole.
    key: String,
    why: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.source.is_empty() {
            write!(f, "no configuration was given (--engine-config FILE)")?;
        } else {
            f.write_str(&self.source)?;
        }
        if self.line > 0 {
            write!(f, ", line {}", self.line)?;
        }
        if !self.key.is_empty() && self.key != "." {
            write!(f, ", key {}", self.key)?;
        }
        write!(f, ": {}", self.why)
    }
}

impl std::error::Error for ConfigError {}

fn parse<T: DeserializeOwned>(text: &str, format: Format) -> Result<T, ConfigError> {
    let error = |line, key: String, why: String| ConfigError { source: String::new(), line, key, why };
    match format {
        Format::Json => {
            let mut json = serde_json::Deserializer::from_str(text);
            let parsed = serde_path_to_error::deserialize(&mut json).map_err(|failed| {
                let line = failed.inner().line();
                // serde_json repeats the place at the end of its sentence.
                let why = failed.inner().to_string();
                let why = why.split(" at line ").next().unwrap_or(&why).to_owned();
                error(line, failed.path().to_string(), why)
            })?;
            json.end().map_err(|failed| error(failed.line(), String::new(), "more follows the value".into()))?;
            Ok(parsed)
        }
        Format::None | Format::Toml => {
            let line = |span: Option<std::ops::Range<usize>>| {
                span.map_or(0, |span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1)
            };
            let toml = toml::Deserializer::parse(text)
                .map_err(|failed| error(line(failed.span()), String::new(), failed.message().to_owned()))?;
            serde_path_to_error::deserialize(toml).map_err(|failed| {
                let inner = failed.inner();
                error(line(inner.span()), failed.path().to_string(), inner.message().to_owned())
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Settings {
        history: usize,
        rooms: HashMap<String, Room>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Room {
        limit: u32,
    }

    fn config(text: &str, format: u32) -> Result<Settings, String> {
        let source = if format == 0 { "" } else { "/etc/chat.toml" };
        let view = ConfigView { text: text.into(), source: source.into(), format };
        Config::new(view).parse().map_err(|error: ConfigError| error.to_string())
    }

    #[test]
    fn none_is_the_default() {
        assert_eq!(config("", 0), Ok(Settings::default()));
    }

    #[test]
    fn toml_and_json_come_to_the_same() {
        let expected = Settings { history: 7, rooms: HashMap::from([("lobby".into(), Room { limit: 3 })]) };
        assert_eq!(config("history = 7\n[rooms.lobby]\nlimit = 3\n", 1).as_ref(), Ok(&expected));
        assert_eq!(config(r#"{"history": 7, "rooms": {"lobby": {"limit": 3}}}"#, 2).as_ref(), Ok(&expected));
    }

    #[test]
    fn errors_name_file_line_and_key() {
        let error = config("history = 7\n[rooms.lobby]\nlimit = \"many\"\n", 1).unwrap_err();
        assert!(error.starts_with("/etc/chat.toml, line 3, key rooms.lobby.limit: invalid type: string"), "{error}");
        let error = config("{\"rooms\":\n{\"lobby\": {\"limit\": -1}}}", 2).unwrap_err();
        assert!(error.starts_with("/etc/chat.toml, line 2, key rooms.lobby.limit: invalid value"), "{error}");
        let error = config("colour = 1\n", 1).unwrap_err();
        assert!(error.contains("line 1") && error.contains("unknown field `colour`"), "{error}");
        let error = config("history = \n", 1).unwrap_err();
        assert!(error.starts_with("/etc/chat.toml, line 1"), "{error}");
    }
}
