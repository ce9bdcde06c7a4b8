//! An engine's library that needs others beside it (`$ORIGIN`, FAULTS P5): it loads as it would from its own place.

use crate::common::{Host, artefacts, ask, build_with, connect, outcome};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// An engine in `engines/`, which needs `libnear.so` from `lib/`, which needs `libfar.so` from beside itself.
struct Laid {
    folder: tempfile::TempDir,
}

impl Laid {
    fn out() -> Laid {
        let laid = Laid { folder: tempfile::tempdir().expect("a folder") };
        let (engine, libraries) = built();
        for folder in ["engines", "lib"] {
            fs::create_dir(laid.path(folder)).expect("made");
        }
        fs::copy(engine, laid.path("engines/libbeside.so")).expect("copied");
        for library in ["libnear.so", "libfar.so"] {
            fs::copy(libraries.join(library), laid.path("lib").join(library)).expect("copied");
        }
        laid
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// The engine, and the folder with its libraries.
fn built() -> &'static (PathBuf, PathBuf) {
    static BUILT: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("beside");
        fs::create_dir_all(&folder).expect("made");
        compile(&folder, "far", "int far(void) { return 1; }", &[]);
        let near = "int far(void); int near(void) { return far(); }";
        compile(&folder, "near", near, &["-L.", "-lfar", "-Wl,-rpath,$ORIGIN"]);
        let search = format!("link-arg=-L{}", folder.display());
        let options = ["link-arg=-Wl,--no-as-needed", &search, "link-arg=-lnear", "link-arg=-Wl,-rpath,$ORIGIN/../lib"];
        let options: Vec<_> = options.iter().flat_map(|option| ["-C", option]).collect();
        (build_with("beside", &options).of("beside").to_owned(), folder)
    })
}

/// Compiles `libNAME.so` in a folder.
fn compile(folder: &Path, name: &str, source: &str, options: &[&str]) {
    fs::write(folder.join(name).with_extension("c"), source).expect("written");
    let library = format!("lib{name}.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o", &library, &format!("-Wl,-soname,{library}"), &format!("{name}.c")]);
    assert!(compiler.args(options).current_dir(folder).status().expect("cc runs").success(), "{library}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_finds_the_libraries_beside_it_at_the_start_and_at_a_reload() {
    let laid = Laid::out();
    let host = Host::with_plugin(&laid.path("engines/libbeside.so"), &["--rehearse", "life"]);
    let mut client = connect(&host, "/").await;
    for _ in 0..3 {
        let (code, stdout, stderr) = host.control(&["reload"]);
        assert_eq!(code, 0, "{stdout}{stderr}");
        assert_eq!(ask(&mut client, "hi").await, "hi");
    }
    // As with the plugin's own file, the running engine is not affected.
    fs::write(laid.path("lib/libfar.so"), b"overwritten").expect("written");
    fs::remove_file(laid.path("lib/libnear.so")).expect("removed");
    assert_eq!(ask(&mut client, "hi").await, "hi");
    let (code, _, stderr) = host.control(&["reload"]);
    assert_eq!(code, 65, "{stderr}");
    assert!(stderr.contains("libnear.so"), "{stderr}");
    assert_eq!(ask(&mut client, "hi").await, "hi");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_under_the_same_name_is_refused_since_the_loader_would_give_the_first() {
    let laid = Laid::out();
    let host = Host::with_plugin(&laid.path("engines/libbeside.so"), &[]);
    let mut client = connect(&host, "/").await;
    compile(&laid.path("lib"), "far", "int far(void) { return 2; }", &[]);
    let (code, _, stderr) = host.control(&["reload"]);
    assert_eq!(code, 69, "{stderr}");
    assert!(stderr.contains("libfar.so") && stderr.contains("restart wshost"), "{stderr}");
    assert_eq!(ask(&mut client, "hi").await, "hi");
    let again = Host::with_plugin(&laid.path("engines/libbeside.so"), &[]);
    assert_eq!(ask(&mut connect(&again, "/").await, "hi").await, "hi");
}

#[test]
fn a_check_finds_them_too() {
    let laid = Laid::out();
    let check = || {
        let mut command = Command::new(artefacts().wshost());
        command.arg("check").arg(laid.path("engines/libbeside.so"));
        outcome(command)
    };
    let (code, stdout, stderr) = check();
    assert_eq!(code, 0, "{stdout}{stderr}");
    fs::remove_file(laid.path("lib/libfar.so")).expect("removed");
    let (code, _, stderr) = check();
    assert!(code == 65 && stderr.contains("libfar.so"), "{stderr}");
}
