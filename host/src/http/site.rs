//! Which engine runs under which path, and whether files are served too.

use super::Folder;

/// What a host serves.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// In the order of the command line.
    pub engines: Vec<SiteEngine>,
    /// Whose files are served to requests that ask for no WebSocket.
    pub folder: Option<Folder>,
}

/// One engine, as the outside sees it.
#[derive(Clone, Debug)]
pub struct SiteEngine {
    /// `/chat`, without a slash at its end; `/` for the root.
    pub path: String,
    /// Whether it serves every path that no other engine has.
    pub every_path: bool,
    /// The engine's name.
    pub name: String,
    /// The engine's version.
    pub version: String,
    /// What the engine's package says that it is; may be empty.
    pub description: String,
}

impl Site {
    /// The index of the engine that serves `path`: the longest prefix of whole segments wins, and an engine without a
    /// path of its own takes the rest.
    pub fn serves(&self, path: &str) -> Option<usize> {
        let own = self.engines.iter().enumerate().filter(|(_, engine)| !engine.every_path && engine.covers(path));
        let longest = own.max_by_key(|(_, engine)| engine.path.len());
        let rest = || self.engines.iter().enumerate().find(|(_, engine)| engine.every_path);
        longest.or_else(rest).map(|(index, _)| index)
    }
}

impl SiteEngine {
    /// Whether `path` is the engine's own or lies below it.
    fn covers(&self, path: &str) -> bool {
        let Some(below) = path.strip_prefix(self.path.as_str()) else { return false };
        below.is_empty() || below.starts_with('/') || self.path == "/"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(paths: &[Option<&str>]) -> Site {
        let engine = |path: &Option<&str>| SiteEngine {
            path: path.unwrap_or("/").into(),
            every_path: path.is_none(),
            name: "x".into(),
            version: "1.0.0".into(),
            description: String::new(),
        };
        Site { engines: paths.iter().map(engine).collect(), folder: None }
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_wins() {
        let site = site(&[Some("/chat"), Some("/chat/admin"), Some("/echo")]);
        assert_eq!(site.serves("/chat"), Some(0));
        assert_eq!(site.serves("/chat/room"), Some(0));
        assert_eq!(site.serves("/chat/admin/x"), Some(1));
        assert_eq!(site.serves("/chat/administrator"), Some(0));
        assert_eq!(site.serves("/chatty"), None);
        assert_eq!(site.serves("/"), None);
    }

    #[test]
    fn an_engine_without_a_path_takes_what_nobody_else_has() {
        let site = site(&[None, Some("/chat")]);
        assert_eq!(site.serves("/chat/x"), Some(1));
        assert_eq!(site.serves("/chatty"), Some(0));
        assert_eq!(site.serves("/"), Some(0));
    }

    #[test]
    fn the_root_has_everything_below_it() {
        let site = site(&[Some("/"), Some("/chat")]);
        assert_eq!(site.serves("/x"), Some(0));
        assert_eq!(site.serves("/chat"), Some(1));
    }
}
