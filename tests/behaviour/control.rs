//! `wshost reload` and `wshost status`: an operator's requests to a running server.

use crate::common::{Client, Deployed, Host, artefacts, ask, connect, hear, say, wait_until};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::thread;

fn path(package: &str) -> String {
    artefacts().of(package).display().to_string()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Two engines, at /a and /b, each from a file of its own.
fn two_engines(folder: &Path) -> (Host, [String; 2]) {
    let files = ["a", "b"].map(|name| {
        let file = folder.join(format!("lib{name}.so"));
        fs::copy(artefacts().of("counter"), &file).expect("copied");
        file.display().to_string()
    });
    let plugins = [format!("/a={}", files[0]), format!("/b={}", files[1])];
    (Host::start(artefacts().wshost(), &["--plugin", &plugins[0], "--plugin", &plugins[1]]), files)
}

async fn two_clients(host: &Host) -> [Client; 2] {
    [connect(host, "/").await, connect(host, "/").await]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_reload_says_who_took_over_and_what_it_took() {
    let deployed = Deployed::new("counter");
    let host = deployed.start(&[]);
    let [mut ann, _bob] = two_clients(&host).await;
    assert_eq!(ask(&mut ann, "one").await, "1 of 1");
    let (code, stdout, stderr) = host.control(&["reload"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.starts_with("accepted: counter 1.0.0 is generation 2; 2 sessions moved, pause "), "{stdout}");
    assert!(stdout.ends_with(" ms\n"), "{stdout}");

    deployed.replace(artefacts().of("counter-2"));
    let (code, stdout, stderr) = host.control(&["reload", "--json"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let accepted = &json(&stdout)["accepted"];
    let expected = ["counter-2", "2.0.0", "handover"];
    assert_eq!([&accepted["engine"], &accepted["version"], &accepted["way"]], expected);
    assert_eq!((accepted["generation"].as_u64(), accepted["sessions"].as_u64()), (Some(3), Some(2)));
    assert!(accepted["pause_ms"].as_f64().is_some_and(|pause| pause > 0.0), "{accepted}");
    assert_eq!(ask(&mut ann, "two").await, "2 of 2, longest: two");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_without_handover_leaves_connections_where_they_are() {
    let host = Host::with("groups", &[]);
    let _clients = two_clients(&host).await;
    let (code, stdout, _) = host.control(&["reload"]);
    assert_eq!(code, 0);
    let expected =
        "accepted: groups 1.0.0 is generation 2; new connections go to it, 2 stay with an earlier one until they end";
    assert_eq!(stdout.trim(), expected);
    let _new = connect(&host, "/").await;
    let (_, stdout, _) = host.control(&["status", "--json"]);
    let engine = &json(&stdout)["status"]["engines"][0];
    assert_eq!((engine["connections"].as_u64(), engine["connections_with_retired"].as_u64()), (Some(3), Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_reload_says_why_and_has_an_exit_code_for_it() {
    let deployed = Deployed::new("heir");
    let host = deployed.start(&[]);
    let mut ann = connect(&host, "/").await;
    let garbage = deployed.folder.path().join("garbage");
    fs::write(&garbage, [0xa5; 5000]).expect("written");
    let heir = artefacts().of("heir");
    let cases: [(&Path, &str, i32, &str); 5] = [
        (&garbage, "", 65, "is not a dynamic library"),
        (heir, "fails = 'new'", 65, "engine heir 1.0.0 refused to start: new panicked at"),
        (heir, "fails = 'schema'", 65, "does not accept the state of the old one"),
        (heir, "fails = 'import-state'", 65, "told to take no state"),
        (heir, "no_such_key = 1", 78, "unknown field `no_such_key`"),
    ];
    for (file, config, expected, why) in cases {
        deployed.replace(file);
        deployed.configure(config);
        let (code, stdout, stderr) = host.control(&["reload"]);
        assert_eq!((code, stdout.as_str()), (expected, ""), "{stderr}");
        assert!(stderr.starts_with("refused: ") && stderr.contains(why), "{stderr}");
    }
    let (code, stdout, _) = host.control(&["reload", "--json"]);
    assert_eq!(code, 78);
    assert_eq!(json(&stdout)["refused"]["exit_code"], 78);
    fs::remove_file(deployed.file()).expect("removed");
    let (code, _, stderr) = host.control(&["reload"]);
    assert_eq!(code, 66, "{stderr}");
    assert!(stderr.contains("libcurrent.so") && stderr.contains("looked for"), "{stderr}");
    let (code, _, stderr) = host.control(&["reload", "/elsewhere"]);
    assert_eq!(code, 64);
    assert!(stderr.contains("no engine is served under /elsewhere"), "{stderr}");
    assert_eq!(ask(&mut ann, "hello").await, " 0 hello", "it runs on as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_stays_the_engine_s_once_it_has_taken_over() {
    let host = Host::with("counter", &[]);
    let mut ann = connect(&host, "/").await;
    assert_eq!(host.control(&["reload", "--plugin", &path("echo")]).0, 65, "of another kind, and refused");
    let (code, stdout, stderr) = host.control(&["reload"]);
    assert!(code == 0 && stdout.contains("counter 1.0.0 is generation 3"), "still the first file: {stdout}{stderr}");
    let (code, stdout, stderr) = host.control(&["reload", &path("counter-2")]);
    assert!(code == 0 && stdout.starts_with("accepted: counter-2 2.0.0 is generation 4"), "{stdout}{stderr}");
    assert_eq!(ask(&mut ann, "hello").await, "1 of 1, longest: hello");
    host.hang_up();
    host.wait_for_log(1, &["reloaded: 1 connections", "generation=5", "version=\"2.0.0\"", &path("counter-2")]);
}

#[test]
fn one_of_several_engines_is_named_by_its_path_or_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (host, files) = two_engines(folder.path());
    let (code, stdout, _) = host.control(&["reload", "/b"]);
    assert!(code == 0 && stdout.starts_with("accepted: counter 1.0.0 at /b is generation 3; 0 sessions"), "{stdout}");
    let (code, stdout, _) = host.control(&["reload", &files[0]]);
    assert!(code == 0 && stdout.starts_with("accepted: counter 1.0.0 at /a is generation 4;"), "{stdout}");
    let (code, stdout, _) = host.control(&["reload", "/a", "--plugin", &files[1]]);
    assert!(code == 0 && stdout.starts_with("accepted: counter 1.0.0 at /a is generation 5;"), "{stdout}");
    for (arguments, why) in [
        (&["reload"][..], "there are /a, /b"),
        (&["reload", &files[0]], "of the engines under /a, /b, none runs from"),
        (&["reload", &files[1]], "of the engines under /a, /b, more than one runs from"),
    ] {
        let (code, _, stderr) = host.control(arguments);
        assert!(code == 64 && stderr.contains(why), "{code}: {stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_reload_of_an_engine_is_refused_and_one_of_another_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let [config, gate] = ["heir.toml", "gate"].map(|name| folder.path().join(name));
    fs::write(&config, "").expect("written");
    let plugins = [format!("/heir={}", path("heir")), format!("/counter={}", path("counter"))];
    let configured = format!("/heir={}", config.display());
    let arguments = ["--plugin", &plugins[0], "--plugin", &plugins[1], "--engine-config", &configured];
    let host = Host::start(artefacts().wshost(), &arguments);
    let mut ann = connect(&host, "/heir").await;
    fs::write(&config, format!("new_waits_for = '{}'", gate.display())).expect("written");
    thread::scope(|scope| {
        let first = scope.spawn(|| host.control(&["reload", "/heir"]));
        host.wait_for_log(1, &["new waits for a file"]);
        let (code, _, stderr) = host.control(&["reload", "/heir"]);
        assert_eq!((code, stderr.as_str()), (75, "refused: a reload is under way; wait for its end\n"));
        assert_eq!(host.control(&["reload", "/counter"]).0, 0);
        fs::write(&gate, "").expect("written");
        let (code, stdout, stderr) = first.join().expect("no panic");
        assert!(code == 0 && stdout.contains("1 session moved"), "{stdout}{stderr}");
    });
    assert_eq!(ask(&mut ann, "hello").await, " 0 hello");
    assert_eq!(host.control(&["reload", "/heir"]).0, 0, "the way is free again");
}

#[test]
fn an_engine_that_hangs_in_a_reload_does_not_keep_the_server_from_its_end() {
    let deployed = Deployed::new("heir");
    let mut host = deployed.start(&[]);
    deployed.configure("new_waits_for = '/no/such/file'");
    thread::scope(|scope| {
        let asked = scope.spawn(|| host.control(&["reload"]));
        host.wait_for_log(1, &["new waits for a file"]);
        host.terminate();
        let (code, stdout, stderr) = asked.join().expect("no panic");
        assert_eq!((code, stdout.as_str()), (69, ""), "{stderr}");
        assert!(stderr.contains("before it answered"), "{stderr}");
    });
    assert_eq!(host.wait().code(), Some(0));
    assert!(!host.control_socket().exists());
}

#[test]
fn at_the_most_generations_a_reload_is_refused_with_the_advice_to_restart() {
    let host = Host::with("counter", &["--max-generations", "2"]);
    let left = || json(&host.control(&["status", "--json"]).1)["status"]["engines"][0]["generations_left"].as_u64();
    assert_eq!(left(), Some(1));
    assert_eq!(host.control(&["reload"]).0, 0);
    assert_eq!(left(), Some(0));
    let (code, _, stderr) = host.control(&["reload"]);
    assert_eq!(code, 69);
    let expected = "refused: 2 generations are loaded, and --max-generations is 2: restart wshost when it suits\n";
    assert_eq!(stderr, expected);
}

#[test]
fn a_configuration_that_is_not_there_costs_no_generation() {
    let deployed = Deployed::new("heir");
    let host = deployed.start(&["--max-generations", "2"]);
    fs::remove_file(deployed.config()).expect("removed");
    for _ in 0..2 {
        let (code, _, stderr) = host.control(&["reload"]);
        assert_eq!(code, 78, "{stderr}");
    }
    deployed.configure("");
    let (code, _, stderr) = host.control(&["reload"]);
    assert_eq!(code, 0, "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_has_everything_for_programs() {
    let host = Host::with("probe", &["--loops", "2", "--workers", "1", "--max-generations", "7"]);
    let status = || json(&host.control(&["status", "--json"]).1)["status"].take();
    let first = status();
    assert_eq!(first["pid"].as_u64(), Some(host.pid().into()));
    assert_eq!((first["loops"].as_u64(), first["workers"].as_u64()), (Some(2), Some(1)));
    assert_eq!((first["max_generations"].as_u64(), first["ending"].as_bool()), (Some(7), Some(false)));
    assert!(first["version"].is_string() && first["uptime_seconds"].is_u64(), "{first}");
    let engine = &first["engines"][0];
    assert_eq!([&engine["name"], &engine["version"]], ["probe", env!("CARGO_PKG_VERSION")]);
    assert!(engine["path"].is_null() && engine["file"] == path("probe").as_str(), "{engine}");
    let numbers = ["generation", "connections", "connections_with_retired", "generations_left"];
    assert_eq!(numbers.map(|name| engine[name].as_u64()), [1, 0, 0, 6].map(Some));
    assert_eq!(engine["retired"]["generations"].as_u64(), Some(0));

    // One job is at work, and the other waits for it.
    let [mut ann, mut bob] = two_clients(&host).await;
    say(&mut ann, "hold ann's").await;
    say(&mut bob, "hold bob's").await;
    let mut eve = connect(&host, "/").await;
    while ask(&mut eve, "asked").await != "2" {}
    wait_until(|| status()["jobs_waiting"].as_u64() == Some(1));
    assert_eq!(status()["engines"][0]["connections"].as_u64(), Some(3));
    assert_eq!(ask(&mut eve, "open").await, "the gate is open");
    assert_eq!((hear(&mut ann).await, hear(&mut bob).await), ("ann's".into(), "bob's".into()));
}

#[test]
fn what_a_retired_generation_costs_is_measured() {
    let host = Host::with("counter", &[]);
    let retired = || json(&host.control(&["status", "--json"]).1)["status"]["engines"][0]["retired"].take();
    let file = fs::metadata(artefacts().of("counter")).expect("it is there").len();
    let number = |value: &Value, name: &str| value[name].as_u64().unwrap_or_else(|| panic!("{name}: {value}"));
    let mut before = 0;
    for generations in 0..=2 {
        let measured = retired();
        assert_eq!(number(&measured, "generations"), generations);
        assert_eq!(number(&measured, "file_bytes"), generations * file);
        let [resident, mapped] = ["resident_bytes", "mapped_bytes"].map(|name| number(&measured, name));
        assert!(mapped <= generations * (file + (1 << 20)), "the symbols are not mapped: {measured}");
        if generations > 0 {
            assert!(resident > before && mapped >= resident, "{measured} after {before}");
        }
        before = resident;
        assert_eq!(host.control(&["reload"]).0, 0);
    }
    let (_, text, _) = host.control(&["status"]);
    assert!(
        text.contains("\n\nA retired generation of counter keeps, on average, ") && text.contains("(Rss)"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_a_table_for_people() {
    let folder = tempfile::tempdir().expect("a folder");
    let (host, files) = two_engines(folder.path());
    let _client = connect(&host, "/b").await;
    assert_eq!(host.control(&["reload", "/b"]).0, 0);
    let (code, text, _) = host.control(&["status"]);
    assert_eq!(code, 0);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with(&format!("wshost {}, pid {}, up ", env!("CARGO_PKG_VERSION"), host.pid())), "{text}");
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(fields(lines[3]), ["counter", "1.0.0", "/a", "1", "0", "0", "0", "31", &files[0]], "{text}");
    assert_eq!(fields(lines[4]), ["counter", "1.0.0", "/b", "3", "1", "0", "1", "30", &files[1]], "{text}");
    let ends = |line: &str, file: &str| line.find(file);
    assert_eq!(ends(lines[3], &files[0]), ends(lines[4], &files[1]), "columns stand under each other: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_ends_it_tells_its_status_and_reloads_nothing() {
    let mut host = Host::with("probe", &["--workers", "1"]);
    let mut ann = connect(&host, "/").await;
    say(&mut ann, "hold until the end").await;
    let mut bob = connect(&host, "/").await;
    while ask(&mut bob, "asked").await != "1" {}
    host.terminate();
    host.wait_for_log(1, &["SIGTERM: closing connections"]);
    let (code, _, stderr) = host.control(&["reload"]);
    assert_eq!((code, stderr.as_str()), (69, "refused: wshost is ending\n"));
    assert!(host.control(&["status"]).1.contains("; it is ending\n"));
    host.terminate();
    assert_eq!(host.wait().code(), Some(128 + 15));
    assert!(!host.control_socket().exists(), "also when it ends at once");
    let (code, _, stderr) = host.control(&["status"]);
    assert!(code == 69 && stderr.contains("no server answers"), "{code}: {stderr}");
}
