//! The one thread that writes the log. Only this thread waits for the log's reader.

use super::line::Format;
use super::queue::{Lost, Queue};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::{Duration, Instant};

/// How often to check for something to report that is not in the log.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often to check whether the log can be written again, while nobody logs.
const TRY_EVERY: Duration = Duration::from_secs(5);
/// The pause before the next attempt if a descriptor says that it is ready and then takes nothing.
const PAUSE: Duration = Duration::from_millis(10);

/// Writes lines as they come, for ever.
pub(super) fn run(queue: &Queue, to: &impl AsFd, format: Format) {
    let mut writer = Writer { to: to.as_fd(), torn: false };
    let (mut told, mut looked, mut tried) = (Lost::default(), Instant::now(), Instant::now());
    loop {
        let lost = queue.lost();
        let line = queue.next(lost != told, LOOK_EVERY);
        let written = line.as_ref().map(|line| {
            let written = writer.write(line);
            if written.is_err() {
                queue.note_unwritten();
            }
            written.is_ok()
        });
        let now = Instant::now();
        // There is room now, or perhaps.
        if lost != told && (written == Some(true) || now - tried >= TRY_EVERY) {
            tried = now;
            if writer.write(&format.note(&losses(told, lost))).is_ok() {
                told = lost;
            }
        }
        if now - looked >= LOOK_EVERY || queue.is_flushing() {
            looked = now;
            for left_out in queue.left_out(now) {
                if writer.write(&format.left_out(&left_out)).is_err() {
                    queue.note_unwritten();
                }
            }
        }
    }
}

/// Waits until all queued lines are written. The log's reader may delay this by `patience`. While the log could be
/// written at once, its thread only waits for a processor, and has the time until `at_most`.
pub(super) fn wait_until_written(queue: &Queue, to: &impl AsFd, patience: Duration, at_most: Duration) {
    let until = Instant::now() + at_most;
    while !queue.wait_until_written(patience) && Instant::now() < until && takes_something(to) {}
}

/// Whether it can be written to right now.
fn takes_something(to: &impl AsFd) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(to, PollFlags::OUT)], Some(&at_once)) == Ok(1)
}

/// Describes the lines that were lost between the two counts.
fn losses(before: Lost, now: Lost) -> String {
    let (dropped, unwritten) = (now.dropped - before.dropped, now.unwritten - before.unwritten);
    let lines = |count: u64| if count == 1 { "1 line".to_owned() } else { format!("{count} lines") };
    match (dropped, unwritten) {
        (_, 0) => format!("{} of the log dropped: stderr did not take them in time", lines(dropped)),
        (0, _) => format!("{} of the log lost: stderr could not be written", lines(unwritten)),
        (_, _) => format!(
            "{} of the log dropped and {unwritten} lost: stderr did not take them in time, or could not be written",
            lines(dropped)
        ),
    }
}

struct Writer<'a> {
    to: BorrowedFd<'a>,
    /// Whether the end of the last line is missing.
    torn: bool,
}

impl Writer<'_> {
    fn write(&mut self, line: &str) -> Result<(), Errno> {
        if self.torn {
            write_all(self.to, b"\n").map_err(|Unwritten { why, .. }| why)?;
            self.torn = false;
        }
        write_all(self.to, line.as_bytes()).map_err(|Unwritten { why, begun }| {
            self.torn = begun;
            why
        })
    }
}

/// Why not everything was written.
#[derive(Debug)]
pub(super) struct Unwritten {
    pub(super) why: Errno,
    /// Whether a part of it was.
    begun: bool,
}

/// Writes all of it, however long that takes.
pub(super) fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Unwritten> {
    let length = bytes.len();
    while !bytes.is_empty() {
        let why = match rustix::io::write(to, bytes) {
            Ok(0) => Errno::IO,
            Ok(count) => {
                bytes = &bytes[count..];
                continue;
            }
            Err(Errno::INTR) => continue,
            // Somebody has made the descriptor non-blocking, for all processes that share it.
            Err(Errno::AGAIN) => {
                let ready = poll(&mut [PollFd::from_borrowed_fd(to, PollFlags::OUT)], None);
                if ready.is_ok_and(|ready| ready > 0) {
                    thread::sleep(PAUSE);
                }
                continue;
            }
            Err(why) => why,
        };
        return Err(Unwritten { why, begun: bytes.len() < length });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{BufRead, BufReader, Read, pipe};

    fn queue() -> &'static Queue {
        Box::leak(Box::new(Queue::new()))
    }

    fn write_to(queue: &'static Queue, to: impl AsFd + Send + 'static) {
        thread::spawn(move || run(queue, &to, Format::Text { colours: false }));
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        for to in [writer.into(), std::os::fd::OwnedFd::from(File::options().write(true).open("/dev/full").unwrap())] {
            let queue = queue();
            (0..10).for_each(|_| queue.push("line\n".into()));
            write_to(queue, to);
            queue.wait_until_written(Duration::from_secs(60));
            assert_eq!(queue.lost(), Lost { dropped: 0, unwritten: 10 });
        }
    }

    #[test]
    fn what_was_dropped_is_told_when_there_is_room_again() {
        let queue = queue();
        let (reader, writer) = pipe().unwrap();
        write_to(queue, writer);
        let pushed = 20_000;
        (0..pushed).for_each(|number| queue.push(format!("line {number}\n")));
        let dropped = queue.lost().dropped;
        assert!(dropped > 0);
        let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
        // It is reported at once, or in parts, since there may have been room in between.
        let (mut told, mut others) = (0, 0);
        while told < dropped {
            let line = lines.next().unwrap();
            let loss = line.split_once(" WARN ").filter(|(_, text)| text.contains("of the log dropped"));
            match loss.and_then(|(_, text)| text.split(' ').next()).map(str::parse::<u64>) {
                Some(count) => told += count.unwrap(),
                None => others += 1,
            }
        }
        assert_eq!(told, dropped);
        assert!((1..=pushed - dropped).contains(&others));
    }

    #[test]
    fn a_pipe_that_does_not_block_is_waited_for() {
        let queue = queue();
        let (mut reader, writer) = pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        write_to(queue, writer);
        let line = "x".repeat(99_999) + "\n";
        (0..4).for_each(|_| queue.push(line.clone()));
        let mut read = vec![0; 4 * line.len()];
        reader.read_exact(&mut read).unwrap();
        assert!(read == line.repeat(4).as_bytes());
        queue.wait_until_written(Duration::from_secs(60));
        assert_eq!(queue.lost(), Lost::default());
    }

    #[test]
    fn a_writer_that_comes_late_is_waited_for_if_its_lines_would_be_taken() {
        let queue = queue();
        let (_reader, writer) = pipe().unwrap();
        queue.push("the reason\n".into());
        let to = writer.try_clone().unwrap();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            run(queue, &to, Format::Text { colours: false });
        });
        wait_until_written(queue, &writer, Duration::from_millis(1), Duration::from_secs(60));
        assert_eq!(queue.waiting(), 0);
        // From now on, nobody reads anything.
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        while rustix::io::write(&writer, &[b'x'; 4096]).is_ok() {}
        queue.push("nobody reads this\n".into());
        let began = Instant::now();
        wait_until_written(queue, &writer, Duration::from_millis(10), Duration::from_secs(60));
        assert!(began.elapsed() < Duration::from_secs(30));
        assert_eq!(queue.waiting(), 1);
    }

    #[test]
    fn a_line_that_was_torn_does_not_swallow_the_next() {
        let (mut reader, writer) = pipe().unwrap();
        let mut torn = Writer { to: writer.as_fd(), torn: true };
        torn.write("whole\n").unwrap();
        let mut read = [0; 7];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"\nwhole\n");
    }
}
