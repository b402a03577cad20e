use super::*;
use crate::host::test_dir::TestDir;

fn at(millis: u64) -> Mono {
    Mono::from_micros(10_000_000 + millis * 1000)
}

fn names(dir: &TestDir) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn rolls_over_before_the_line_that_would_reach_the_limit() {
    let dir = TestDir::new();
    let path = dir.join("log");
    let mut log = LogFile::new(&path, 20, 2, at(0));
    assert!(log.line(at(0), "123456789"));
    assert!(log.line(at(0), "12345678"));
    assert_eq!(names(&dir), ["log"], "19 bytes are below 20");
    assert!(log.line(at(0), "a"));
    assert_eq!(names(&dir), ["log", "log.1"]);
    assert_eq!(
        (text(&path).as_str(), text(&dir.join("log.1")).len()),
        ("a\n", 19)
    );
    assert!(log.line(at(0), "1234567890123456"));
    assert_eq!(names(&dir), ["log", "log.1"], "2 + 17 bytes are below 20");
    assert!(log.line(at(0), "b"), "21 bytes");
    assert!(log.line(at(0), "12345678901234567"));
    assert_eq!(names(&dir), ["log", "log.1", "log.2"]);
    assert_eq!(text(&dir.join("log.1")), "b\n");
    assert_eq!(text(&dir.join("log.2")), "a\n1234567890123456\n");
    assert_eq!((log.report.cause.take(), log.report.lost), (None, 0));
}

#[test]
fn the_size_goes_on_across_restarts() {
    let dir = TestDir::new();
    let path = dir.join("log");
    for _ in 0..4 {
        let mut log = LogFile::new(&path, 15, 3, at(0));
        assert!(log.line(at(0), "1234"));
    }
    assert_eq!(text(&path), "1234\n1234\n");
    assert_eq!(text(&dir.join("log.1")), "1234\n1234\n");
}

#[test]
fn zero_means_never_and_a_long_line_pushes_no_empty_files() {
    let dir = TestDir::new();
    let path = dir.join("log");
    for (max_bytes, backups) in [(0, 5), (5, 0)] {
        let mut log = LogFile::new(&path, max_bytes, backups, at(0));
        for _ in 0..9 {
            assert!(log.line(at(0), "1234567"));
        }
    }
    assert_eq!(names(&dir), ["log"]);
    fs::remove_file(&path).unwrap();
    let mut log = LogFile::new(&path, 5, 3, at(0));
    assert!(log.line(at(0), "1234567"));
    assert_eq!(names(&dir), ["log"]);
    assert!(log.line(at(0), "1234567"));
    assert_eq!(names(&dir), ["log", "log.1"]);
    assert_eq!(text(&dir.join("log.1")), "1234567\n");
}

#[test]
fn a_removed_file_is_made_anew_and_nothing_is_lost() {
    let dir = TestDir::new();
    let path = dir.join("log");
    let mut log = LogFile::new(&path, 0, 0, at(0));
    assert!(log.line(at(0), "one"));
    fs::remove_file(&path).unwrap();
    assert!(log.line(at(1), "two"));
    assert_eq!(text(&path), "two\n");
    assert_eq!((log.report.cause.take(), log.report.lost), (None, 0));
}

#[test]
fn a_vanished_directory_costs_lines_until_it_is_back() {
    let dir = TestDir::new();
    let inner = dir.join("inner");
    fs::create_dir(&inner).unwrap();
    let path = inner.join("log");
    let mut log = LogFile::new(&path, 0, 0, at(0));
    assert!(log.line(at(0), "one"));
    fs::remove_dir_all(&inner).unwrap();
    assert!(!log.line(at(10), "lost"));
    let report = log.take_report();
    assert_eq!(report.cause.as_deref(), Some("No such file or directory"));
    assert!(!report.works);
    fs::create_dir(&inner).unwrap();
    assert!(!log.line(at(900), "lost"), "opening is tried once a second");
    assert!(log.line(at(1011), "two"));
    assert_eq!(text(&path), "two\n");
    let works = Report {
        lost: 1,
        cause: None,
        works: true,
    };
    assert_eq!(log.take_report(), works);
}

#[test]
fn a_missing_directory_at_the_start_is_no_end() {
    let dir = TestDir::new();
    let path = dir.join("none/log");
    let mut log = LogFile::new(&path, 10, 1, at(0));
    assert!(log.take_report().cause.is_some());
    assert!(!log.line(at(1), "lost"));
    fs::create_dir(dir.join("none")).unwrap();
    assert!(log.line(at(1001), "here"));
}

#[test]
fn a_renamed_file_is_followed_until_it_is_reopened() {
    let dir = TestDir::new();
    let path = dir.join("log");
    let mut log = LogFile::new(&path, 0, 0, at(0));
    assert!(log.line(at(0), "one"));
    fs::rename(&path, dir.join("old")).unwrap();
    assert!(log.line(at(1), "two"));
    log.reopen(at(2));
    assert!(log.line(at(3), "three"));
    assert_eq!(text(&dir.join("old")), "one\ntwo\n");
    assert_eq!(text(&path), "three\n");
}

#[test]
fn a_failed_reopen_keeps_the_old_file() {
    let dir = TestDir::new();
    let path = dir.join("log");
    let mut log = LogFile::new(&path, 0, 0, at(0));
    fs::rename(&path, dir.join("old")).unwrap();
    fs::create_dir(&path).unwrap();
    log.reopen(at(0));
    let report = log.take_report();
    assert_eq!(report.cause.as_deref(), Some("Is a directory"));
    assert!(log.line(at(5), "kept"));
    assert_eq!(text(&dir.join("old")), "kept\n");
    assert!(!log.take_report().works, "not where it should be");
    fs::remove_dir(&path).unwrap();
    assert!(log.line(at(1005), "new"));
    assert_eq!(text(&path), "new\n");
    let report = log.take_report();
    assert!(report.works && report.lost == 0);
}

#[test]
fn a_file_that_cannot_be_rotated_grows_to_its_bound_then_drops() {
    let dir = TestDir::new();
    let path = dir.join("log");
    // A directory in the place of the backup: rename(2) refuses, for root as well.
    fs::create_dir_all(dir.join("log.1")).unwrap();
    let mut log = LogFile::new(&path, 20, 1, at(0));
    for _ in 0..4 {
        assert!(log.line(at(0), "123456789"));
    }
    assert!(!log.line(at(0), "123456789"));
    let report = log.take_report();
    let cause = report.cause.unwrap();
    assert!(cause.starts_with("it cannot be rotated: "), "{cause}");
    assert_eq!((report.lost, report.works), (1, false));
    fs::remove_dir(dir.join("log.1")).unwrap();
    assert!(log.line(at(1001), "x"));
    assert_eq!(text(&path), "x\n");
    assert_eq!(text(&dir.join("log.1")).len(), 40);
    assert!(log.take_report().works);
}

#[test]
fn a_full_device_drops_and_counts() {
    let mut log = LogFile::new(Path::new("/dev/full"), 100, 1, at(0));
    assert!(!log.line(at(0), "lost"));
    assert!(!log.line(at(5000), "lost"));
    let report = log.take_report();
    assert_eq!(report.cause.as_deref(), Some("No space left on device"));
    assert_eq!(report.lost, 2);
}

#[test]
fn the_piece_of_a_cut_line_is_taken_back() {
    let dir = TestDir::new();
    let path = dir.join("log");
    let mut log = LogFile::new(&path, 0, 0, at(0));
    assert!(log.line(at(0), "whole"));
    // What a full disk leaves behind: four bytes of the next line.
    fs::write(&path, "whole\npiec").unwrap();
    log.torn = true;
    log.take_back(6, 4);
    assert_eq!(text(&path), "whole\n");
    assert!(log.line(at(0), "next"));
    assert_eq!(text(&path), "whole\nnext\n");
    fs::write(&path, "whole\npiecOTHER").unwrap();
    log.torn = true;
    log.take_back(6, 4);
    assert!(log.line(at(0), "next"));
    assert_eq!(
        text(&path),
        "whole\npiecOTHER\nnext\n",
        "what others wrote stays"
    );
}

#[test]
fn a_symbolic_link_stays_and_its_target_is_rotated() {
    let dir = TestDir::new();
    fs::create_dir(dir.join("data")).unwrap();
    let link = dir.join("log");
    std::os::unix::fs::symlink(dir.join("data/real"), &link).unwrap();
    let mut log = LogFile::new(&link, 10, 1, at(0));
    assert!(log.line(at(0), "1234567"));
    assert!(log.line(at(0), "7654321"));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(text(&dir.join("data/real")), "7654321\n");
    assert_eq!(text(&dir.join("data/real.1")), "1234567\n");
    assert_eq!(names(&dir), ["data", "log"]);
}

#[test]
fn a_fifo_without_reader_is_no_wait() {
    let dir = TestDir::new();
    let path = dir.join("fifo");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let mut log = LogFile::new(&path, 0, 0, at(0));
    assert!(!log.line(at(1), "lost"));
    let _reader = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    assert!(log.line(at(1001), "kept"));
}
