use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A directory of its own for one test, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("probe-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    fn file(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn places_are_what_they_are() {
    let scratch = Scratch::new("places");
    let file = scratch.file("file", b"x", 0o644);
    assert_eq!(place(&file), Place::File { writable: true });
    assert_eq!(place(&scratch.0), Place::Directory { writable: true });
    assert_eq!(place(&scratch.0.join("none")), Place::Missing);
    assert_eq!(
        place(Path::new("/dev/null")),
        Place::Other { writable: true }
    );
    assert!(
        matches!(place(&file.join("x")), Place::Hidden(cause) if cause.contains("no directory"))
    );
    let link = scratch.0.join("link");
    symlink("nowhere", &link).unwrap();
    assert_eq!(place(&link), Place::Missing);
}

#[test]
fn targets_follow_links_to_their_end() {
    let scratch = Scratch::new("targets");
    let real = scratch.0.canonicalize().unwrap();
    let path = |name: &str| scratch.0.join(name);
    fs::create_dir(path("dir")).unwrap();
    symlink("dir/file", path("one")).unwrap();
    symlink(path("one"), path("two")).unwrap();
    symlink("dir", path("dirlink")).unwrap();
    symlink("loop", path("loop")).unwrap();
    assert_eq!(target(&path("one")), real.join("dir/file"));
    assert_eq!(target(&path("two")), real.join("dir/file"));
    assert_eq!(target(&path("dirlink/file")), real.join("dir/file"));
    assert_eq!(target(&path("plain")), real.join("plain"));
    assert_eq!(target(&path("none/x")), path("none/x"));
    assert_eq!(target(&path("loop")), real.join("loop"));
    assert_eq!(target(Path::new("/")), Path::new("/"));
    let here = std::env::current_dir().unwrap();
    assert_eq!(
        target(Path::new("x.pid")),
        here.canonicalize().unwrap().join("x.pid")
    );
}

#[test]
fn commands_are_looked_up_as_exec_does() {
    let scratch = Scratch::new("exec");
    let shown = |path: &Path| path.to_str().unwrap().to_string();
    let here = |name: &str| shown(&scratch.0.join(name));
    scratch.file("script", b"#!/bin/sh\nexit 0\n", 0o755);
    scratch.file("args", b"#! /bin/sh -e\n", 0o755);
    scratch.file("plain", b"exit 0\n", 0o755);
    scratch.file("empty", b"", 0o755);
    scratch.file("bare", b"#!  \n", 0o755);
    scratch.file("binary", b"\x7fELF\x02", 0o755);
    scratch.file("lost", b"#!/no/such/sh\n", 0o755);
    scratch.file("data", b"#!/bin/sh\n", 0o644);
    fs::create_dir(scratch.0.join("a dir")).unwrap();
    let cases = [
        ("script", Executable::Runs),
        ("args", Executable::Runs),
        ("binary", Executable::Runs),
        ("plain", Executable::NoInterpreter),
        ("empty", Executable::NoInterpreter),
        ("bare", Executable::NoInterpreter),
        (
            "lost",
            Executable::InterpreterMissing("/no/such/sh".to_string()),
        ),
        ("data", Executable::NotPermitted),
        ("a dir", Executable::Directory),
        ("none", Executable::NotFound),
        ("script/x", Executable::NotFound),
    ];
    for (name, verdict) in cases {
        assert_eq!(executable(&here(name), b""), verdict, "{name}");
    }
    let path = format!("/nonexistent:{}:/bin", shown(&scratch.0));
    assert_eq!(executable("script", path.as_bytes()), Executable::Runs);
    assert_eq!(executable("sh", path.as_bytes()), Executable::Runs);
    assert_eq!(
        executable("data", path.as_bytes()),
        Executable::NotPermitted
    );
    assert_eq!(
        executable("a dir", path.as_bytes()),
        Executable::NotPermitted
    );
    assert_eq!(
        executable("no such command", path.as_bytes()),
        Executable::NotFound
    );
    // A later directory has it.
    scratch.file("sh", b"", 0o644);
    assert_eq!(executable("sh", path.as_bytes()), Executable::Runs);
}

#[test]
fn interfaces_and_users_have_names() {
    assert!(!user_name().is_empty());
    with(|probes| {
        assert_eq!((probes.interface)("lo"), Some(true));
        assert_eq!((probes.interface)("lo:label"), Some(true));
        for name in ["nope0", "", ".", "..", "lo/queues"] {
            assert_eq!((probes.interface)(name), Some(false), "{name}");
        }
        assert_eq!((probes.no_addresses)(), None);
        assert_eq!(probes.user, user_name());
        assert_eq!((probes.executable)("sh"), Executable::Runs);
    });
}

#[test]
fn only_what_a_sandbox_denies_is_an_obstacle() {
    let of = |number| denied(&io::Error::from_raw_os_error(number));
    // EAFNOSUPPORT, by RestrictAddressFamilies=.
    let words = of(97).expect("denied");
    assert!(
        words.contains("AF_NETLINK") && words.contains("ip_check_disabled"),
        "{words}"
    );
    assert!(of(1).is_some() && of(13).is_some());
    // ENOBUFS, ENFILE.
    assert_eq!((of(105), of(23)), (None, None));
}
