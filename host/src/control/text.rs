//! Prints replies for people.

use super::protocol::{AcceptedReload, EngineStatus, ReloadWay, RetiredGenerations, Status};
use bytesize::ByteSize;
use indicatif::HumanCount;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

impl Display for AcceptedReload {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let AcceptedReload { engine, version, path, generation, way } = self;
        write!(f, "{engine} {version}")?;
        path.as_ref().map_or(Ok(()), |path| write!(f, " at {path}"))?;
        write!(f, " is generation {generation}; ")?;
        match *way {
            ReloadWay::Handover { sessions, pause_ms } => {
                write!(f, "{} moved, pause {} ms", counted(sessions, "session"), {
                    if pause_ms < 10.0 { format!("{pause_ms:.1}") } else { count(pause_ms.round() as usize) }
                })
            }
            ReloadWay::Gentle { staying } => {
                write!(f, "new connections go to it, {} with an earlier one until they end", {
                    if staying == 1 { "1 stays".to_owned() } else { format!("{} stay", count(staying)) }
                })
            }
        }
    }
}

impl Display for Status {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let uptime = humantime::format_duration(Duration::from_secs(self.uptime_seconds));
        write!(f, "wshost {}, pid {}, up {uptime}", self.version, self.pid)?;
        write!(f, "; {}, {}", counted(self.loops, "event loop"), counted(self.workers, "worker"))?;
        write!(f, ", {} waiting", counted(self.jobs_waiting, "job"))?;
        if self.log_lines_lost > 0 {
            write!(f, "; {} of the log lost", counted(self.log_lines_lost as usize, "line"))?;
        }
        if self.ending {
            write!(f, "; it is ending")?;
        }
        write!(f, "\n\n")?;
        table(f, &self.engines)?;
        self.engines.iter().try_for_each(|engine| engine.retired.fmt(&engine.name, f))
    }
}

const HEAD: [&str; 9] =
    ["engine", "version", "path", "generation", "connections", "with retired", "retired", "left", "file"];
/// The columns with numbers, which are aligned to the right.
const NUMBERS: std::ops::Range<usize> = 3..8;

fn table(f: &mut Formatter<'_>, engines: &[EngineStatus]) -> fmt::Result {
    let row = |engine: &EngineStatus| {
        [
            engine.name.clone(),
            engine.version.clone(),
            engine.path.clone().unwrap_or_else(|| "every path".to_owned()),
            engine.generation.to_string(),
            count(engine.connections),
            count(engine.connections_with_retired),
            count(engine.retired.generations),
            count(engine.generations_left),
            engine.file.clone(),
        ]
    };
    let rows: Vec<_> = std::iter::once(HEAD.map(str::to_owned)).chain(engines.iter().map(row)).collect();
    for (index, cells) in rows.iter().enumerate() {
        if index > 0 {
            writeln!(f)?;
        }
        for (column, cell) in cells.iter().enumerate() {
            let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            match column {
                column if NUMBERS.contains(&column) => write!(f, "{cell:>width$}  ")?,
                column if column + 1 == cells.len() => write!(f, "{cell}")?,
                _ => write!(f, "{cell:<width$}  ")?,
            }
        }
    }
    Ok(())
}

impl RetiredGenerations {
    fn fmt(&self, engine: &str, f: &mut Formatter<'_>) -> fmt::Result {
        if self.generations == 0 {
            return Ok(());
        }
        let each = |bytes: u64| ByteSize::b(bytes / self.generations as u64);
        write!(f, "\n\nA retired generation of {engine} keeps, on average, ")?;
        if let (Some(resident), Some(mapped)) = (self.resident_bytes, self.mapped_bytes) {
            write!(f, "{} of its library in memory (Rss), of {} mapped, and ", each(resident), each(mapped))?;
        }
        write!(f, "{} in a file without a name.", each(self.file_bytes))
    }
}

fn count(number: usize) -> String {
    HumanCount(number as u64).to_string()
}

fn counted(number: usize, what: &str) -> String {
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(way: ReloadWay) -> String {
        let (engine, version) = ("counter".to_owned(), "2.0.0".to_owned());
        AcceptedReload { engine, version, path: None, generation: 3, way }.to_string()
    }

    #[test]
    fn what_was_accepted_is_one_sentence() {
        let handover = |sessions, pause_ms| accepted(ReloadWay::Handover { sessions, pause_ms });
        assert_eq!(handover(10_000, 12.3), "counter 2.0.0 is generation 3; 10,000 sessions moved, pause 12 ms");
        assert_eq!(handover(1, 0.25), "counter 2.0.0 is generation 3; 1 session moved, pause 0.2 ms");
        let gentle = |staying| accepted(ReloadWay::Gentle { staying });
        assert!(gentle(1).ends_with("new connections go to it, 1 stays with an earlier one until they end"));
        assert!(gentle(2000).contains(", 2,000 stay with"));
    }

    #[test]
    fn a_status_is_a_table_with_its_columns_under_each_other() {
        let engine = |name: &str, path: Option<&str>, connections, retired| EngineStatus {
            name: name.into(),
            version: "1.0.0".into(),
            path: path.map(Into::into),
            file: format!("/opt/lib{name}.so"),
            generation: 3,
            connections,
            connections_with_retired: 0,
            generations_left: 30,
            retired,
        };
        let retired = RetiredGenerations {
            generations: 2,
            resident_bytes: Some(3 << 20),
            mapped_bytes: Some(4 << 20),
            file_bytes: 10 << 20,
        };
        let engines = vec![
            engine("chat", Some("/chat"), 12_345, retired),
            engine("echo", None, 0, RetiredGenerations::default()),
        ];
        let status = Status {
            version: "0.1.0".into(),
            pid: 42,
            uptime_seconds: 7384,
            ending: false,
            loops: 1,
            workers: 2,
            jobs_waiting: 0,
            log_lines_lost: 0,
            max_generations: 32,
            engines,
        };
        let expected = "\
wshost 0.1.0, pid 42, up 2h 3m 4s; 1 event loop, 2 workers, 0 jobs waiting

engine  version  path        generation  connections  with retired  retired  left  file
chat    1.0.0    /chat                3       12,345             0        2    30  /opt/libchat.so
echo    1.0.0    every path           3            0             0        0    30  /opt/libecho.so

A retired generation of chat keeps, on average, 1.5 MiB of its library in memory (Rss), of 2.0 MiB mapped, and 5.0 MiB in \
a file without a name.";
        assert_eq!(status.to_string(), expected);
    }
}
