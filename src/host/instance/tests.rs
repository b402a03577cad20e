use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
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

/// A program of that name that lives until it is killed.
fn program(dir: &Dir, name: &str, words: &[&str]) -> Child {
    let path = dir.path().join(name);
    // As the reference: an interpreter, and the name of the script.
    fs::write(&path, "read line").unwrap();
    let mut command = Command::new("/bin/sh");
    command.arg(&path).args(words);
    let child = command.stdin(Stdio::piped()).spawn().unwrap();
    // The kernel lets us go on a moment before the new program has its words.
    let words = format!("/proc/{}/cmdline", child.id());
    while !fs::read_to_string(&words).unwrap().contains(name) {}
    child
}

#[test]
fn the_pid_of_a_live_health_checker_refuses_the_start_and_says_which() {
    let (dir, name, pidfile) = place("live");
    let mut other = program(&dir, NAME, &["-f", "x"]);
    let pid = other.id();
    for text in [format!("{pid}"), format!(" {pid}\n")] {
        fs::write(&pidfile, &text).unwrap();
        let name = format!("{name}{}", text.len());
        let error = Instance::acquire_as(&name, &pidfile).err().unwrap();
        let words = format!("names process {pid}, a health checker that is alive");
        assert!(error.contains(&words), "{error}");
        assert_eq!(fs::read_to_string(&pidfile).unwrap(), text);
    }
    // As a zombie it is alive no more.
    other.kill().unwrap();
    let stat = format!("/proc/{pid}/stat");
    while !fs::read_to_string(&stat).unwrap().contains(") Z ") {}
    drop(acquire_again(&name, &pidfile));
    other.wait().unwrap();
}

#[test]
fn a_pid_of_anything_else_is_stale() {
    let (dir, name, pidfile) = place("unrelated");
    let thread = std::thread::spawn(std::thread::park);
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let threads: Vec<String> = threads
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|number| *number != std::process::id().to_string())
        .collect();
    assert!(!threads.is_empty());
    let mut others = [
        program(&dir, "other", &[]),
        program(&dir, NAME, &["--watch", "30"]),
    ];
    let mut pids = vec!["1".to_string(), threads[0].clone()];
    pids.extend(others.iter().map(|other| other.id().to_string()));
    for pid in pids {
        fs::write(&pidfile, &pid).unwrap();
        let instance = acquire_again(&name, &pidfile);
        assert_eq!(fs::read_to_string(&pidfile).unwrap(), own(), "{pid}");
        release(instance, true);
    }
    for other in &mut others {
        other.kill().unwrap();
        other.wait().unwrap();
    }
    thread.thread().unpark();
    thread.join().unwrap();
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
