//! Files that are no engine (FAULTS E6): refused before anything else starts, with an exit code and one sentence.

use crate::common::{Host, artefacts};
use std::fs;
use std::path::Path;

fn refused(file: &Path) -> (i32, String) {
    let (code, stdout, stderr) = Host::refuses(&["--plugin", file.to_str().expect("UTF-8")], &[]);
    assert!(stdout.is_empty(), "nothing is ready: {stdout}");
    let sentence = stderr.lines().last().unwrap_or_default().to_owned();
    assert!(sentence.starts_with("wshost: "), "{stderr}");
    (code, sentence)
}

#[test]
fn no_such_file() {
    let (code, why) = refused(Path::new("libnowhere.so"));
    assert_eq!(code, 66);
    assert!(why.contains("libnowhere.so") && why.contains("/usr/lib/wshost") && why.contains("cargo build"), "{why}");
    assert_eq!(refused(Path::new("/nowhere/libecho.so")).0, 66);
}

#[test]
fn files_that_are_no_library_of_this_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let echo = fs::read(artefacts().of("echo")).expect("libecho.so");
    let mut foreign = echo.clone();
    foreign[18..20].copy_from_slice(&[0x28, 0]); // e_machine: 32-bit ARM
    let cases: [(&str, &[u8], &str); 5] = [
        ("empty.so", b"", "empty"),
        ("text.so", b"not a library", "not a dynamic library"),
        ("foreign.so", &foreign, "another architecture"),
        ("half.so", &echo[..echo.len() / 2], "truncated"),
        ("head.so", &echo[..100], "truncated"),
    ];
    for (name, content, said) in cases {
        let file = folder.path().join(name);
        fs::write(&file, content).expect("written");
        let (code, why) = refused(&file);
        assert_eq!(code, 65, "{name}: {why}");
        assert!(why.contains(name) && why.contains(said), "{name}: {why}");
    }
    assert_eq!(refused(folder.path()).0, 66, "a folder cannot be read as a file");
}

#[test]
fn a_library_that_is_no_engine() {
    let file = fs::read_dir("/proc/self/map_files").ok().map(|_| system_library());
    let (code, why) = refused(&file.flatten().expect("this test process has libc mapped"));
    assert_eq!(code, 65);
    assert!(why.contains("not an engine") && why.contains("export_engine!"), "{why}");
}

/// Some dynamic library of the system: the C library that this test itself runs on.
fn system_library() -> Option<std::path::PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains("/libc.so"))?;
    Some(path.into())
}

#[test]
fn wrong_usage_exits_with_64_and_a_taken_address_with_69() {
    assert_eq!(Host::refuses(&[], &[]).0, 64);
    assert_eq!(Host::refuses(&["--plugin", "x", "--max-message", "lots"], &[]).0, 64);
    let echo = artefacts().of("echo").display().to_string();
    let (code, _, why) = Host::refuses(&["--plugin", &echo, "--plugin", &echo], &[]);
    assert_eq!(code, 64, "{why}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("an address").to_string();
    let output = std::process::Command::new(artefacts().wshost())
        .args(["--plugin", &echo, "--listen", &address])
        .output()
        .expect("wshost starts");
    assert_eq!(output.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&address));
}
