//! No room left: a withdrawal needs none, and whatever becomes free is taken by somebody else.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::support::daemon::Daemon;
use crate::support::fake_bird::FakeBird;
use crate::support::prefixes::is_whole;
use crate::support::{Lab, sys, wait_until};

/// A file system of a test's own, in place of the directory of the prefix file.
struct Disk(PathBuf);

impl Disk {
    fn mount(lab: &Lab, words: &[&str]) -> Disk {
        let path = lab.path("4");
        run(Command::new("mount").args(words).arg(&path));
        Disk(path)
    }

    fn tmpfs(lab: &Lab, options: &str) -> Disk {
        Disk::mount(lab, &["-t", "tmpfs", "-o", options, "none"])
    }

    /// Ext4 of this many MiB and i-nodes.
    fn ext4(lab: &Lab, size: u64, inodes: &str) -> Disk {
        let image = lab.path("image");
        let file = File::create(&image).expect("image");
        file.set_len(size << 20).expect("image");
        let options = ["-q", "-F", "-m", "0", "-N", inodes];
        run(Command::new("/sbin/mkfs.ext4").args(options).arg(&image));
        let image = image.to_str().expect("a path in ASCII").to_string();
        Disk::mount(lab, &["-o", "loop", &image])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = sys::unmount(&self.0);
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("it is installed");
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// Takes all the room there is and all that becomes free, as long as it lives.
struct Greedy {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Takes {
    Bytes,
    Inodes,
}

impl Greedy {
    fn new(directory: &Path, takes: Takes) -> Greedy {
        let filler = directory.join("filler");
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&filler)
            .expect("filler");
        let directory = directory.join("many");
        fs::create_dir_all(&directory).expect("mkdir");
        let mut number = 0_u32;
        let mut eat = move || match takes {
            Takes::Bytes => {
                let mut ate = false;
                for size in [65_536, 4096, 512, 1] {
                    while file.write_all(&vec![b'x'; size]).is_ok() {
                        ate = true;
                    }
                }
                ate
            }
            Takes::Inodes => {
                number += 1;
                File::create(directory.join(number.to_string())).is_ok()
            }
        };
        while eat() {}
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                eat();
                std::thread::sleep(Duration::from_micros(500));
            }
        });
        Greedy {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Greedy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Services with all of the prefixes, each with as many as a service may have, that fail while a file of their name exists.
fn lab(name: &str, prefixes: usize, settings: &[(&str, &str)]) -> Lab {
    let lab = Lab::new(name);
    FakeBird::install(&lab);
    lab.daemon(&[&[("ipv6", "false")], settings].concat());
    for (number, prefixes) in shares(prefixes).iter().enumerate() {
        let service = format!("s{number}");
        let check = format!("/usr/bin/test ! -e {}", lab.path(&service).display());
        let settings = [
            ("ip_prefix", prefixes.join(", ")),
            ("check_cmd", check),
            ("check_interval", "0.1".to_string()),
        ];
        lab.service(
            &service,
            &settings.each_ref().map(|(k, v)| (*k, v.as_str())),
        );
    }
    lab
}

/// The prefixes of each service: at least two services.
fn shares(prefixes: usize) -> Vec<Vec<String>> {
    let all: Vec<String> = (0..prefixes)
        .map(|number| {
            format!(
                "10.{}.{}.{}/32",
                50 + number / 62_500,
                number / 250 % 250,
                number % 250
            )
        })
        .collect();
    all.chunks((prefixes / 2).min(1000))
        .map(<[String]>::to_vec)
        .collect()
}

#[track_caller]
fn wait_exports(lab: &Lab, wanted: &[Vec<String>]) {
    let wanted: Vec<&str> = wanted.iter().flatten().map(String::as_str).collect();
    FakeBird::install(lab).wait_exports("4", &wanted);
}

/// One service after the other falls on a disk without room, and is withdrawn.
fn two_fall(lab: &Lab, prefixes: usize, takes: Takes) -> Daemon {
    let shares = shares(prefixes);
    let daemon = Daemon::start(lab);
    wait_exports(lab, &shares);
    let greedy = Greedy::new(&lab.path("4"), takes);
    for fallen in [1, 2] {
        lab.write(&format!("s{}", fallen - 1), "");
        wait_exports(lab, &shares[fallen..]);
    }
    assert!(is_whole(&lab.read("4/prefixes.conf")));
    drop(greedy);
    let one_more = fs::write(lab.path("4/one-more"), "x");
    assert!(one_more.is_err(), "there was room all the time");
    daemon
}

fn withdraws(name: &str, disk: impl Fn(&Lab) -> Disk, takes: Takes) {
    for prefixes in [2, 10_000] {
        for history in ["false", "true"] {
            let lab = lab(name, prefixes, &[("bird_keep_changes", history)]);
            let disk = disk(&lab);
            let mut daemon = two_fall(&lab, prefixes, takes);
            if history == "true" {
                daemon.wait_line(&["WARNING", "cannot keep history in"]);
            }
            let in_place = daemon.out.with(&["cannot replace prefix file"]);
            assert!(in_place.is_empty(), "{in_place:?}");
            // With room again everything is as before.
            let _ = fs::remove_file(lab.path("4/filler"));
            let _ = fs::remove_dir_all(lab.path("4/many"));
            lab.remove("s0");
            lab.remove("s1");
            wait_exports(&lab, &shares(prefixes));
            daemon.stop();
            drop(disk);
        }
    }
}

#[test]
fn a_full_tmpfs_keeps_nothing_from_being_withdrawn() {
    withdraws("tmpfs", |lab| Disk::tmpfs(lab, "size=2m"), Takes::Bytes);
}

#[test]
fn a_full_ext4_keeps_nothing_from_being_withdrawn() {
    withdraws("ext4", |lab| Disk::ext4(lab, 8, "128"), Takes::Bytes);
}

#[test]
fn a_tmpfs_without_inodes_keeps_nothing_from_being_withdrawn() {
    withdraws(
        "tmpfs-inodes",
        |lab| Disk::tmpfs(lab, "size=4m,nr_inodes=64"),
        Takes::Inodes,
    );
}

#[test]
fn an_ext4_without_inodes_keeps_nothing_from_being_withdrawn() {
    withdraws(
        "ext4-inodes",
        |lab| Disk::ext4(lab, 8, "128"),
        Takes::Inodes,
    );
}

/// There was no room for a reserve: what is there is overwritten.
#[test]
fn a_disk_that_was_full_before_the_start_keeps_nothing_from_being_withdrawn() {
    type Make = fn(&Lab) -> Disk;
    let disks: [(&str, Make); 2] = [
        ("tmpfs-before", |lab| Disk::tmpfs(lab, "size=64k")),
        ("ext4-before", |lab| Disk::ext4(lab, 8, "128")),
    ];
    for (name, disk) in disks {
        let lab = lab(name, 2, &[]);
        let disk = disk(&lab);
        let text =
            "define ACAST_PS_ADVERTISE = [ 10.189.200.255/32, 10.50.0.0/32, 10.50.0.1/32 ];\n";
        lab.write(
            "4/prefixes.conf",
            &format!("{text}{}", "# long\n".repeat(150)),
        );
        let greedy = Greedy::new(&lab.path("4"), Takes::Bytes);
        let mut daemon = Daemon::start(&lab);
        daemon.wait_line(&["WARNING", "cannot reserve room for a withdrawal from"]);
        lab.write("s0", "");
        let bird = FakeBird::install(&lab);
        bird.wait_exports("4", &["10.50.0.1/32"]);
        daemon.wait_line(&["WARNING", "cannot replace prefix file", "written in place"]);
        drop(greedy);
        let file = || fs::metadata(lab.path("4/prefixes.conf")).expect("it is there");
        let overwritten = file().ino();
        lab.remove("4/filler");
        lab.remove("s0");
        bird.wait_exports("4", &["10.50.0.0/32", "10.50.0.1/32"]);
        assert_ne!(file().ino(), overwritten, "it is replaced as usual again");
        wait_until("room for a withdrawal is reserved again", || {
            lab.path("4/.prefixes.conf.reserve").exists()
        });
        daemon.stop();
        drop(disk);
    }
}

/// As a quota has it: whatever is written to a new file is refused, and there is room on the disk.
#[test]
fn a_quota_that_is_used_up_keeps_nothing_from_being_withdrawn() {
    let lab = lab("quota", 2, &[("bird_keep_changes", "true")]);
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.50.0.0/32", "10.50.0.1/32"]);
    let temporary = lab.path(&format!("4/.prefixes.conf.{}.tmp", daemon.pid()));
    let tracer = Tracer::attach(&lab, daemon.pid(), &temporary, "write:error=EDQUOT");
    lab.write("s0", "");
    bird.wait_exports("4", &["10.50.0.1/32"]);
    lab.write("s1", "");
    bird.wait_exports("4", &[]);
    drop(tracer);
    assert!(daemon.out.with(&["cannot"]).is_empty());
    daemon.stop();
}

/// A strace that has its way with what one process does to one file.
struct Tracer(Child);

impl Tracer {
    fn attach(lab: &Lab, pid: u32, path: &Path, inject: &str) -> Tracer {
        let child = lab
            .command("strace")
            .args(["-qq", "-o", "/dev/null", "-p", &pid.to_string(), "-P"])
            .arg(path)
            .args(["-e", "trace=write", "-e", &format!("inject={inject}")])
            .stdin(Stdio::null())
            .spawn()
            .expect("strace");
        let status = format!("/proc/{pid}/status");
        wait_until("strace is attached", || {
            let text = fs::read_to_string(&status).unwrap_or_default();
            text.lines()
                .any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        });
        Tracer(child)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = sys::kill(self.0.id(), libc::SIGTERM);
        let _ = self.0.wait();
    }
}
