//! A report, for people.

use super::report::{Report, StepReport};
use crate::rehearsal::findings::StepOutcome;
use plugin_api::abi::FileManifest;
use std::fmt::{self, Display, Formatter};

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.headline(f)?;
        writeln!(f)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))?;
        if !self.skipped.is_empty() {
            let names: Vec<_> = self.skipped.iter().map(|step| step.name()).collect();
            writeln!(f, "  not tried: {}", names.join(", "))?;
        }
        if !self.output.is_empty() {
            writeln!(f, "\nIts process wrote, at last:")?;
            self.output.iter().try_for_each(|line| writeln!(f, "  | {line}"))?;
        }
        Ok(())
    }
}

impl Report {
    fn headline(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(FileManifest { description, plugin_api, rustc, target, panic_unwinds, .. }) = &self.manifest else {
            return writeln!(f, "{}", self.file.display());
        };
        write!(f, "{}", self.engine())?;
        if !description.is_empty() {
            write!(f, ": {}", one_line(description))?;
        }
        let panics = if *panic_unwinds { "unwind" } else { "abort" };
        writeln!(f, "\n  file        {}", self.file.display())?;
        writeln!(f, "  built with  plugin-api {plugin_api}, {rustc}, for {target}; panics {panics}")
    }
}

impl Display for StepReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            StepOutcome::Ok => "ok",
            StepOutcome::Note => "note",
            StepOutcome::Failed => "FAILED",
        };
        let milliseconds = self.seconds * 1e3;
        write!(f, "  {outcome:<8}{:<12}{milliseconds:>8.1} ms  {}", self.name.name(), one_line(&self.text))?;
        self.log.iter().try_for_each(|line| write!(f, "\n{:>35}{} {}", "", line.level, one_line(&line.text)))
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::findings::{LogLine, Step};

    #[test]
    fn a_failed_check_reads_well() {
        let mut report = Report::new("./libchat.so".into());
        report.manifest = Some(FileManifest {
            name: "chat".into(),
            version: "1.2.3".into(),
            description: "Rooms,\nand who is in them".into(),
            plugin_api: "1.0.0".into(),
            interfaces: Vec::new(),
            rustc: "rustc 1.95.0".into(),
            target: "x86_64-unknown-linux-gnu".into(),
            panic_unwinds: true,
        });
        let step =
            |name, outcome, text: &str, log| StepReport { name, outcome, text: text.into(), seconds: 0.0123, log };
        let logged = |text: &str| LogLine { level: "ERROR".into(), text: text.into() };
        report.add(step(Step::File, StepOutcome::Ok, "a library", Vec::new()));
        let log = vec![logged("not done: why"), logged("on_text panicked")];
        report.add(step(Step::Open, StepOutcome::Failed, "why", log));
        report.skipped = vec![Step::New, Step::Exit];
        report.output = vec!["help".into()];
        assert!(!report.usable);
        let expected = "\
chat 1.2.3: Rooms,; and who is in them
  file        ./libchat.so
  built with  plugin-api 1.0.0, rustc 1.95.0, for x86_64-unknown-linux-gnu; panics unwind

  ok      file            12.3 ms  a library
  FAILED  open            12.3 ms  why
                                   ERROR on_text panicked
  not tried: new, exit

Its process wrote, at last:
  | help
";
        assert_eq!(report.to_string(), expected);
    }
}
