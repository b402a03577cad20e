use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use super::*;
use crate::host::disk::tests::Dir;

/// A name in the abstract namespace that only this test has, and its pidfile.
fn place(name: &str) -> (Dir, String, PathBuf) {
    let dir = Dir::new(name);
    let lock = format!("anycast-test-{name}-{}", std::process::id());
    let pidfile = dir.path().join("daemon.pid");
    (dir, lock, pidfile)
}

/// A lock that was given up may live for a moment in a child of another test, between its fork and its exec.
fn acquire_again(name: &str, pidfile: &Path) -> Instance {
    let started = Instant::now();
    loop {
        match Instance::acquire_as(name, pidfile) {
            Ok(instance) => return instance,
            Err(error) => {
                let waiting = started.elapsed() < Duration::from_secs(20);
                assert!(waiting && error.contains("another instance"), "{error}");
            }
        }
    }
}

fn own() -> String {
    format!("{}\n", std::process::id())
}

fn release(mut instance: Instance, bird_knows: bool) {
    let path = instance.take_pidfile().unwrap();
    remove_pidfile(&path, Some(Pid::own()), bird_knows).unwrap();
}

#[test]
fn the_second_instance_is_refused_and_changes_nothing() {
    let (_dir, name, pidfile) = place("second");
    let first = Instance::acquire_as(&name, &pidfile).unwrap();
    assert!(!first.bird_may_not_know());
    let other = pidfile.with_extension("other");
    let error = Instance::acquire_as(&name, &other).err().unwrap();
    assert!(error.contains("another instance is running"), "{error}");
    assert!(!other.exists());
    assert_eq!(fs::read_to_string(&pidfile).unwrap(), own());
    release(first, true);
    assert!(!pidfile.exists());
    drop(acquire_again(&name, &pidfile));
    assert!(!pidfile.exists());
}

#[test]
fn the_lock_takes_no_datagrams() {
    let (_dir, name, pidfile) = place("datagrams");
    let _instance = Instance::acquire_as(&name, &pidfile).unwrap();
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    assert!(sender.send_to_addr(b"rubbish", &address).is_err());
}

#[test]
fn a_stale_pidfile_is_replaced() {
    let (_dir, name, pidfile) = place("stale");
    let own = own();
    let dead = format!("{}", i32::MAX);
    for content in [
        "",
        "garbage",
        "0",
        "-1",
        "99999999999999999999",
        "\n\n",
        &dead,
        &own,
        "\u{0}\u{7f}",
    ] {
        fs::write(&pidfile, content).unwrap();
        let instance = acquire_again(&name, &pidfile);
        assert_eq!(fs::read_to_string(&pidfile).unwrap(), own, "{content:?}");
        assert!(instance.bird_may_not_know(), "{content:?}");
        release(instance, true);
        assert!(!pidfile.exists());
    }
    fs::write(&pidfile, "x".repeat(10_000)).unwrap();
    acquire_again(&name, &pidfile);
}

#[test]
fn a_live_pid_refuses_the_start_and_says_which() {
    let (_dir, name, pidfile) = place("live");
    // Process 1 lives everywhere and is not ours to signal, unless we are root.
    for text in ["1", " 1\n"] {
        fs::write(&pidfile, text).unwrap();
        let name = format!("{name}{}", text.len());
        let error = Instance::acquire_as(&name, &pidfile).err().unwrap();
        assert!(error.contains("names process 1, which is alive"), "{error}");
        assert_eq!(fs::read_to_string(&pidfile).unwrap(), text);
    }
    // The lock is free again.
    fs::remove_file(&pidfile).unwrap();
    acquire_again(&name, &pidfile);
}

#[test]
fn a_bird_that_was_not_told_is_remembered_until_an_end_with_it() {
    let (_dir, name, pidfile) = place("owed");
    let first = Instance::acquire_as(&name, &pidfile).unwrap();
    assert!(!first.bird_may_not_know());
    release(first, false);
    assert!(!pidfile.exists() && mark(&pidfile).exists());
    // A start that fails tells BIRD nothing.
    let second = acquire_again(&name, &pidfile);
    assert!(second.bird_may_not_know() && !mark(&pidfile).exists());
    drop(second);
    assert!(!pidfile.exists() && mark(&pidfile).exists());
    let third = acquire_again(&name, &pidfile);
    assert!(third.bird_may_not_know());
    release(third, true);
    let fourth = acquire_again(&name, &pidfile);
    assert!(!fourth.bird_may_not_know());
    release(fourth, true);
    assert!(!pidfile.exists() && !mark(&pidfile).exists());
}

#[test]
fn a_pidfile_that_became_anothers_is_left() {
    let (_dir, name, pidfile) = place("foreign");
    let instance = Instance::acquire_as(&name, &pidfile).unwrap();
    fs::write(&pidfile, "1").unwrap();
    release(instance, true);
    assert_eq!(fs::read_to_string(&pidfile).unwrap(), "1");

    fs::remove_file(&pidfile).unwrap();
    let instance = acquire_again(&name, &pidfile);
    fs::remove_file(&pidfile).unwrap();
    release(instance, true);
}

#[test]
fn a_link_is_never_written_through() {
    let (dir, name, pidfile) = place("link");
    let victim = dir.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, &pidfile).unwrap();
    let instance = Instance::acquire_as(&name, &pidfile).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(fs::read_to_string(&pidfile).unwrap(), own());
    release(instance, true);
    assert!(write_in_place(&victim, b"x").is_ok());
    symlink(&victim, &pidfile).unwrap();
    assert!(write_in_place(&pidfile, b"y").is_err());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "x");
}

#[test]
fn what_cannot_be_written_says_what_to_do() {
    let (dir, name, _) = place("missing");
    let nowhere = dir.path().join("nowhere/daemon.pid");
    let error = Instance::acquire_as(&name, &nowhere).err().unwrap();
    assert!(error.contains("No such file"), "{error}");
    assert!(error.ends_with("make that directory, or set pidfile in [daemon]"));
    let error = Instance::acquire_as(&name, dir.path()).err().unwrap();
    assert!(error.contains("it is a directory"), "{error}");
}
