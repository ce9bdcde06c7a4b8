//! The configuration that the operator gives an engine.

use crate::abi::ConfigView;

/// How a [`Config`]'s text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// No configuration was given.
    None,
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

/// An engine's configuration, as text. Empty where the operator gave none.
pub struct Config<'a> {
    view: ConfigView<'a>,
}

impl<'a> Config<'a> {
    pub(crate) fn new(view: ConfigView<'a>) -> Self {
        Config { view }
    }

    /// The text; empty where none was given.
    pub fn text(&self) -> &'a str {
        self.view.text.as_str()
    }

    /// Where the text comes from, for messages: a file's path, or empty.
    pub fn source(&self) -> &'a str {
        self.view.source.as_str()
    }

    /// How the text is written.
    pub fn format(&self) -> Format {
        match self.view.format {
            1 => Format::Toml,
            2 => Format::Json,
            _ => Format::None,
        }
    }
}

impl std::fmt::Debug for Config<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Config({} bytes of {:?} from {:?})", self.text().len(), self.format(), self.source())
    }
}
