//! The page that a browser shows when it visits the host.

use super::site::{Site, SiteEngine};
use std::fmt::Write;

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>wshost</title>
<style>
  :root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
  body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 40rem; padding: 2.5rem 1.25rem; }
  h1 { font-size: 1.6rem; margin: 0; }
  h1 + p { margin-top: .25rem; opacity: .75; }
  ul { list-style: none; margin: 1.75rem 0; padding: 0; }
  li { border: 1px solid var(--line); border-radius: .6rem; margin: .75rem 0; padding: .9rem 1.1rem; }
  code { font: .95em ui-monospace, monospace; overflow-wrap: anywhere; }
  .name { font-weight: 600; }
  .version, small { opacity: .65; }
  li p { margin: .15rem 0 0; }
</style>
</head>
<body>
<h1>wshost</h1>
<p>A WebSocket server. These engines run here:</p>
<ul>
"#;

const FOOT: &str = r#"</ul>
<p><small>Connect with a WebSocket client, in a browser's console for example:<br>
<code>new WebSocket("ws://" + location.host + "/")</code></small></p>
</body>
</html>
"#;

/// The page for a site.
pub(super) fn render(site: &Site) -> String {
    let mut html = String::from(HEAD);
    for engine in &site.engines {
        let SiteEngine { path, every_path, name, version, description, .. } = engine;
        let note = if *every_path { " <small>and every other path</small>" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(
            html,
            "<li><span class=\"name\">{}</span> <span class=\"version\">{}</span>\n<p>{}</p>\n<p><code>{}</code>{note}</p></li>\n",
            escape(name),
            escape(version),
            escape(description),
            escape(path),
        );
    }
    html + FOOT
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_named_and_cannot_write_markup() {
        let engine = SiteEngine::new(Some("/a"), "<script>", "1.0.0", "a & b \"c\"");
        let html = render(&Site { engines: vec![engine], folder: None });
        assert!(html.contains("&lt;script&gt;") && html.contains("a &amp; b &quot;c&quot;"));
        assert!(!html.contains("<script>"));
    }
}
