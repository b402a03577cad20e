use super::*;
use crate::config::{Complaint, Severity};
use crate::host::test_dir::TestDir;
use std::fs::File;
use std::os::unix::fs::symlink;
use std::time::SystemTime;

const LONG_AGO: Duration = Duration::from_secs(3600);

fn at(path: &Path, age: Duration) {
    let file = File::open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

/// A main file and a service, and nothing that has changed lately.
fn still(dir: &TestDir) -> Source {
    let source = Source {
        file: Some(dir.join("main.conf")),
        dir: Some(dir.join("d")),
        service_file: None,
    };
    let main = format!(
        "[daemon]\npidfile = {}\nbird_conf = {}\nbird_reconfigure_cmd = true\n",
        dir.join("pid").display(),
        dir.join("prefixes").display()
    );
    fs::create_dir(dir.join("d")).unwrap();
    write(dir, "main.conf", &main);
    write(
        dir,
        "d/a.conf",
        "[a]\ncheck_cmd = true\nip_prefix = 10.60.0.1\n",
    );
    source
}

fn write(dir: &TestDir, name: &str, text: &str) {
    fs::write(dir.join(name), text).unwrap();
    at(&dir.join(name), LONG_AGO);
    at(&dir.join("d"), LONG_AGO);
}

fn messages(complaints: &[Complaint], severity: Severity) -> Vec<&str> {
    let of_it = complaints.iter().filter(|found| found.severity == severity);
    of_it.map(|found| found.message.as_str()).collect()
}

fn prefixes(loaded: &Loaded) -> String {
    let config = loaded.config.as_ref().expect("it is valid");
    let all = config.services.iter().flat_map(|service| &service.prefixes);
    all.map(|prefix| format!("{prefix} ")).collect()
}

#[test]
fn only_what_may_be_changing_is_waited_for() {
    let dir = TestDir::new();
    let source = still(&dir);
    let wait = || Look::at(&source).wait;
    assert_eq!(wait(), None);
    let file = dir.join("d/a.conf");
    at(&file, Duration::from_millis(400));
    let left = wait().expect("it is younger than a second");
    assert!(
        left > MIN_WAIT && left <= Duration::from_millis(600),
        "{left:?}"
    );
    // A time that is to come, after a step of the clock or on another host's disk.
    File::open(&file)
        .unwrap()
        .set_modified(SystemTime::now() + LONG_AGO)
        .unwrap();
    assert_eq!(wait(), Some(QUIET));
    write(&dir, "d/a.conf", "[a]\ncheck_cmd = true");
    assert_eq!(wait(), None, "it has had that end for an hour");
    at(&file, Duration::from_secs(5));
    assert_eq!(wait(), Some(QUIET), "its last line does not end");
    write(&dir, "d/a.conf", "");
    assert_eq!(wait(), None);
    // Something was removed a moment ago, to be replaced perhaps.
    at(&dir.join("d"), Duration::ZERO);
    assert!(wait().is_some());
}

#[test]
fn a_file_that_is_being_written_is_read_when_it_is_whole() {
    let dir = TestDir::new();
    let source = still(&dir);
    let file = dir.join("d/a.conf");
    fs::write(&file, "[a]\ncheck_cmd = true\nip_prefix = 10.60.0.1").unwrap();
    let writer = thread::spawn(move || {
        // Two pieces, each within a second of the one before.
        for piece in ["2", "\ncheck_interval = 20\n"] {
            thread::sleep(Duration::from_millis(600));
            let mut file = fs::OpenOptions::new().append(true).open(&file).unwrap();
            file.write_all(piece.as_bytes()).unwrap();
        }
    });
    let loaded = load(&source);
    writer.join().unwrap();
    assert_eq!(prefixes(&loaded), "10.60.0.12/32 ");
    let warnings = messages(&loaded.complaints, Severity::Warning);
    assert!(
        warnings.iter().any(|text| text.contains("was read again")),
        "{warnings:?}"
    );
    // What was as it is all the time is not said.
    write(
        &dir,
        "d/a.conf",
        "[a]\ncheck_cmd = true\nip_prefix = 10.60.0.1\n",
    );
    at(&dir.join("d/a.conf"), Duration::from_millis(900));
    assert_eq!(
        messages(&load(&source).complaints, Severity::Warning),
        [""; 0]
    );
}

#[test]
fn what_does_not_come_to_rest_is_an_error() {
    let dir = TestDir::new();
    let source = still(&dir);
    let file = dir.join("d/a.conf");
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    at(&file, Duration::ZERO);
    let writer = thread::spawn(move || {
        let mut round = 0;
        while !stopped.load(std::sync::atomic::Ordering::SeqCst) {
            round += 1;
            fs::write(&file, format!("[a]\ncheck_interval = {round}\n")).unwrap();
            thread::sleep(Duration::from_millis(50));
        }
    });
    let files = read_quiet_within(&source, Duration::from_secs(2));
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    writer.join().unwrap();
    let loaded = probe::with(|probes| load::load(&source, files, probes));
    assert!(loaded.config.is_none());
    let errors = messages(&loaded.complaints, Severity::Error);
    assert_eq!(
        errors,
        ["cannot read the file: it has been changing for 2 s"]
    );
}

#[test]
fn a_last_line_without_an_end_is_taken_with_a_warning() {
    let dir = TestDir::new();
    let source = still(&dir);
    write(
        &dir,
        "d/a.conf",
        "[a]\ncheck_cmd = true\nip_prefix = 10.60.0.1",
    );
    let loaded = load(&source);
    assert_eq!(prefixes(&loaded), "10.60.0.1/32 ");
    let warnings = messages(&loaded.complaints, Severity::Warning);
    assert_eq!(
        warnings,
        ["the last line does not end: is the file complete?"]
    );
}

#[test]
fn a_link_to_dev_null_is_an_empty_file() {
    let dir = TestDir::new();
    let source = still(&dir);
    symlink("/dev/null", dir.join("d/masked.conf")).unwrap();
    symlink("/dev/zero", dir.join("d/endless.conf")).unwrap();
    at(&dir.join("d"), LONG_AGO);
    let loaded = load(&source);
    let errors = messages(&loaded.complaints, Severity::Error);
    assert_eq!(errors, ["cannot read the file: it is no regular file"]);
    fs::remove_file(dir.join("d/endless.conf")).unwrap();
    at(&dir.join("d"), LONG_AGO);
    assert_eq!(prefixes(&load(&source)), "10.60.0.1/32 ");
}

#[test]
fn a_record_says_the_same_as_the_files_and_a_cut_one_says_nothing() {
    let dir = TestDir::new();
    let source = still(&dir);
    write(
        &dir,
        "d/b.conf",
        "[b]\ncheck_cmd = /nonexistent\nip_prefix = 10.60.0.2\nmaintenance_file = /nonexistent/m\n\
         interface = nope0\ncheck_disabled = false\ncustom_bird_reconfigure_cmd = /etc\n",
    );
    let here = load(&source);
    let record = record(&source);
    let there = replay(&source, record.bytes().to_vec()).expect("it is whole");
    assert_eq!(there.complaints, here.complaints);
    assert!(here.complaints.len() >= 4, "{:?}", here.complaints);
    fs::remove_file(dir.join("d/b.conf")).unwrap();
    at(&dir.join("d"), LONG_AGO);
    let record = super::record(&source);
    let there = replay(&source, record.bytes().to_vec()).expect("it is whole");
    assert_eq!(there.config, load(&source).config);
    assert!(there.config.is_some());
    for length in 0..record.bytes().len() {
        assert!(
            replay(&source, record.bytes()[..length].to_vec()).is_none(),
            "{length}"
        );
    }
    let longer = [record.bytes(), &[0; 4]].concat();
    assert!(replay(&source, longer).is_none());
}

#[test]
fn a_default_path_that_was_there_must_stay() {
    let source = Source::default();
    let mut files = Files::default();
    files.add(source.settings(), Found::Text(b""));
    files.add(source.directory(), Found::Missing);
    let first = probe::with(|probes| load::load(&source, files, probes));
    assert_eq!(first.notes.len(), 1);
    assert_eq!(first.source.file, Some(source.settings().to_path_buf()));
    assert_eq!(first.source.dir, None);
    let mut files = Files::default();
    files.add(source.settings(), Found::Missing);
    files.add(source.directory(), Found::Directory);
    let second = probe::with(|probes| load::load(&first.source, files, probes));
    assert!(second.notes.is_empty());
    let errors = messages(&second.complaints, Severity::Error);
    let missing = "cannot read the file: it does not exist";
    assert!(errors.contains(&missing), "{errors:?}");
    assert_eq!(second.source.dir, Some(source.directory().to_path_buf()));
}
