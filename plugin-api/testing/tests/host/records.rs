//! Metrics and log lines.

use crate::probe::Probe;
use plugin_testing::TestHost;
use std::time::Duration;

#[test]
fn metrics_are_read_by_name_and_labels_in_any_order() {
    let host = TestHost::new::<Probe>();
    let engine = host.handle();
    let wins = engine.counter("wins", &[("game", "chess"), ("side", "white")]);
    wins.increment(2);
    engine.counter("wins", &[("side", "white"), ("game", "chess")]).increment(1);
    engine.counter("wins", &[("game", "go")]);
    let games = engine.gauge("games", &[]);
    games.set(5.0);
    games.add(-1.5);
    let moves = engine.histogram("move_seconds", &[]);
    moves.record(0.5);
    moves.record_duration(Duration::from_millis(250));
    assert_eq!(host.counter("wins", &[("side", "white"), ("game", "chess")]), 3);
    assert_eq!(host.counter("wins", &[("game", "go")]), 0);
    assert_eq!(host.gauge("games", &[]), 3.5);
    assert_eq!(host.histogram("move_seconds", &[]), [0.5, 0.25]);
}

#[test]
fn hosts_side_by_side_keep_their_logs_apart() {
    let logged = |number: u32| {
        let host = TestHost::new::<Probe>();
        for _ in 0..100 {
            host.handle().spawn(move || log::debug!(target: "engine", "{number}"));
        }
        host.run_jobs();
        let lines: Vec<_> = host.logs().iter().map(ToString::to_string).collect();
        assert_eq!(lines, vec![format!("DEBUG engine: {number}"); 100]);
        assert!(host.logs().is_empty());
    };
    std::thread::scope(|scope| {
        (0..4).for_each(|number| drop(scope.spawn(move || logged(number))));
    });
}
