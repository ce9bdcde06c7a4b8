//! The engines and their paths, and whether files are served as well.

use super::{Folder, Segments};

/// Everything that a host serves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Site {
    /// In the order of the command line.
    pub engines: Vec<SiteEngine>,
    /// The folder for requests that ask for no WebSocket.
    pub folder: Option<Folder>,
}

/// One engine, as the public sees it.
#[derive(Clone, Debug)]
pub(crate) struct SiteEngine {
    /// `/chat`, as the operator wrote it; `/` for the root.
    pub path: String,
    /// The path in the form in which it is compared.
    place: Segments<'static>,
    /// Whether it serves every path that no other engine has.
    pub every_path: bool,
    /// The engine's name.
    pub name: String,
    /// The engine's version.
    pub version: String,
    /// The description in the engine's package; may be empty.
    pub description: String,
}

impl Site {
    /// The index of the engine that serves `path`. The longest prefix of whole decoded segments wins, and an engine
    /// without a path of its own takes the rest.
    pub(crate) fn serves(&self, path: &str) -> Option<usize> {
        let path = Segments::of(path);
        let own = self.engines.iter().enumerate().filter(|(_, engine)| !engine.every_path && engine.place.cover(&path));
        let longest = own.max_by_key(|(_, engine)| engine.place.count());
        let rest = || self.engines.iter().enumerate().find(|(_, engine)| engine.every_path);
        longest.or_else(rest).map(|(index, _)| index)
    }
}

impl SiteEngine {
    /// An engine under `path`, or under every path that no other engine has.
    pub(crate) fn new(path: Option<&str>, name: &str, version: &str, description: &str) -> Self {
        let every_path = path.is_none();
        let path = path.unwrap_or("/");
        SiteEngine {
            path: path.to_owned(),
            place: Segments::of_place(path).into_owned(),
            every_path,
            name: name.to_owned(),
            version: version.to_owned(),
            description: description.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(paths: &[Option<&str>]) -> Site {
        let engines = paths.iter().map(|path| SiteEngine::new(*path, "x", "1.0.0", ""));
        Site { engines: engines.collect(), folder: None }
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
    fn paths_are_compared_decoded() {
        let site = site(&[Some("/caf%C3%A9"), Some("/my room/"), Some("/a%2fb"), None]);
        for (path, expected) in [
            ("/café", 0),
            ("/caf%c3%a9/x", 0),
            ("/my%20room", 1),
            ("/m%79%20room/", 1),
            ("/x/../my%20room", 1),
            ("/a%2Fb", 2),
            ("/a/b", 3),
            ("/my+room", 3),
            ("//my%20room", 3),
            ("/my%20room/../x", 3),
        ] {
            assert_eq!(site.serves(path), Some(expected), "{path}");
        }
    }

    #[test]
    fn the_root_has_everything_below_it() {
        let site = site(&[Some("/"), Some("/chat")]);
        assert_eq!(site.serves("/x"), Some(0));
        assert_eq!(site.serves("/chat"), Some(1));
    }
}
