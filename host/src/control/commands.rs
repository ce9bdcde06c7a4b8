//! The subcommands `reload` and `status`: ask, print, and say how it ended.

use super::args::{AskArgs, ReloadArgs, StatusArgs};
use super::ask::ask;
use super::protocol::{Refusal, Reply, Request};
use crate::exit::{self, NotDone};
use crate::http::without_slashes_behind;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wshost_core::plugin::find;

/// Makes a server load an engine's plugin again. Writes the result to `out` (`accepted: ...`) or to `err`
/// (`refused: ...`).
///
/// # Errors
///
/// No server could be asked, or the arguments make no sense.
pub fn reload(args: &ReloadArgs, out: &mut impl Write, err: &mut impl Write) -> Result<ExitCode, NotDone> {
    let (path, plugin) = engine_and_file(args)?;
    run(&args.ask, &Request::Reload { path, plugin }, out, err)
}

/// Writes a server's status to `out`, or to `err` why there is none.
///
/// # Errors
///
/// No server could be asked.
pub fn status(args: &StatusArgs, out: &mut impl Write, err: &mut impl Write) -> Result<ExitCode, NotDone> {
    run(&args.ask, &Request::Status {}, out, err)
}

fn run(args: &AskArgs, request: &Request, out: &mut impl Write, err: &mut impl Write) -> Result<ExitCode, NotDone> {
    let (line, reply) = ask(args.control.as_ref(), request)?;
    let told = if args.json {
        line
    } else {
        match &reply {
            Reply::Status(status) => status.to_string(),
            Reply::Accepted(accepted) => format!("accepted: {accepted}"),
            Reply::Refused(_) | Reply::Error(_) => String::new(),
        }
    };
    if !told.is_empty() {
        writeln!(out, "{told}").and_then(|()| out.flush()).map_err(|error| {
            NotDone::new(exit::INTERNAL, format!("it was done, but cannot be written to stdout: {error}"))
        })?;
    }
    match reply {
        Reply::Status(_) | Reply::Accepted(_) => Ok(ExitCode::SUCCESS),
        Reply::Refused(Refusal { reason, exit_code }) => {
            // This is the server's answer and no fault of this command, so the command's name is not put before it. If
            // it cannot be written, the exit code still says it.
            let _ = writeln!(err, "refused: {reason}");
            Ok(ExitCode::from(exit_code))
        }
        Reply::Error(why) => Err(NotDone::new(exit::INTERNAL, format!("the server did not understand: {why}"))),
    }
}

/// Which engine to reload, and from which file, if given. The file is made absolute, since the server may run in
/// another folder.
fn engine_and_file(args: &ReloadArgs) -> Result<(Option<String>, Option<PathBuf>), NotDone> {
    let (path, file) = match (&args.engine, &args.plugin) {
        (Some(engine), None) if is_file(engine) => (None, Some(engine)),
        (Some(file), Some(_)) if is_file(file) => {
            let why = format!("{} is a file, and --plugin names another: give the engine's path", file.display());
            return Err(NotDone::new(exit::USAGE, why));
        }
        (path, file) => (path.as_ref(), file.as_ref()),
    };
    let path = path.map(|path| path.to_string_lossy());
    let path = path.map(|path| without_slashes_behind(&path).to_owned());
    let absolute = |file: &PathBuf| {
        let found = find(file)?;
        std::path::absolute(&found).map_err(|error| {
            NotDone::new(exit::PLUGIN_NOT_FOUND, format!("cannot tell where {} is: {error}", found.display()))
        })
    };
    Ok((path, file.map(absolute).transpose()?))
}

/// Whether the argument means a file rather than an engine's path.
fn is_file(argument: &Path) -> bool {
    !argument.has_root() || argument.extension().is_some_and(|extension| extension == "so") || argument.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct ReloadLine {
        #[command(flatten)]
        args: ReloadArgs,
    }

    fn parsed(arguments: &[&str]) -> Result<(Option<String>, Option<PathBuf>), NotDone> {
        let line = ReloadLine::try_parse_from([&["reload"], arguments].concat()).unwrap();
        engine_and_file(&line.args)
    }

    #[test]
    fn an_engine_is_named_by_its_path_or_its_file() {
        let program = std::env::current_exe().unwrap();
        let file = program.to_str().unwrap();
        assert_eq!(parsed(&[]).unwrap(), (None, None));
        assert_eq!(parsed(&["/chat"]).unwrap(), (Some("/chat".into()), None));
        assert_eq!(parsed(&["/chat/"]).unwrap(), (Some("/chat".into()), None));
        assert_eq!(parsed(&["/"]).unwrap(), (Some("/".into()), None));
        assert_eq!(parsed(&[file]).unwrap(), (None, Some(program.clone())));
        assert_eq!(parsed(&["--plugin", file]).unwrap(), (None, Some(program.clone())));
        assert_eq!(parsed(&["/chat", "--plugin", file]).unwrap(), (Some("/chat".into()), Some(program.clone())));
        assert_eq!(parsed(&[file, "--plugin", file]).unwrap_err().code, exit::USAGE);
        for missing in [&["/no/such.so"][..], &["no-such.so"], &["no-such"], &["--plugin", "/no/such"]] {
            assert_eq!(parsed(missing).unwrap_err().code, exit::PLUGIN_NOT_FOUND, "{missing:?}");
        }
    }

    #[test]
    fn a_file_is_absolute_when_it_is_asked_for() {
        // Tests run in the folder of their package.
        let (_, file) = parsed(&["Cargo.toml"]).unwrap();
        assert_eq!(file.unwrap(), Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    }
}
