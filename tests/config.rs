//! The real binary on real files: what it says about them, what it prints, and that it leaves no trace.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

#[path = "support/executable.rs"]
#[allow(dead_code)] // Nothing is written here that is executed.
mod executable;
#[path = "config/home.rs"]
mod home;

use home::{BINARY, Home};

/// The user that root becomes where permissions are to count.
const NOBODY: u32 = 65534;

fn status(output: &Output) -> Option<i32> {
    output.status.code()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[test]
fn every_problem_of_every_file_is_listed() {
    let home = Home::new("broken");
    home.file("main.conf", include_str!("data/config/broken/main.conf"));
    home.file("d/a.conf", include_str!("data/config/broken/a.conf"));
    home.file("d/b.conf", include_str!("data/config/broken/b.conf"));
    home.file("not-executable", "#!/bin/sh\n");
    for mode in ["-c", "-P"] {
        let output = home.run(&format!("-f main.conf -d d {mode}"));
        let user = if is_root() { "root" } else { "the user" };
        let said = home.said(&output);
        let said = if is_root() {
            said
        } else {
            said.replace(&user_of_process(), user)
        };
        let expected = include_str!("data/config/broken/expected.txt").replace("{user}", user);
        assert_eq!(said, expected);
        assert_eq!((status(&output), stdout(&output).as_str()), (Some(1), ""));
    }
}

/// The owner of /proc/self is the effective user.
fn is_root() -> bool {
    fs::metadata("/proc/self")
        .map(|found| found.uid())
        .is_ok_and(|uid| uid == 0)
}

fn user_of_process() -> String {
    let output = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8_lossy(&output.stdout).trim().to_string()
}

#[test]
fn a_good_configuration_is_ok() {
    let home = Home::new("good");
    home.good();
    for services in ["-d d --check", "-F d/s.conf -c", "-F /dev/null -c"] {
        let output = home.run(&format!("-f main.conf {services}"));
        assert_eq!(home.said(&output), "", "{services}");
        assert_eq!(stdout(&output), "OK\n", "{services}");
        assert_eq!(status(&output), Some(0), "{services}");
    }
}

#[test]
fn warnings_do_not_spoil_it() {
    let home = Home::new("warnings");
    home.good();
    home.file("d/t.conf", "[s]\ncheck_intervall = 3\n");
    let output = home.run("-f main.conf -d d -c");
    assert_eq!(
        home.said(&output),
        "d/t.conf:2: [s] check_intervall: warning: unknown option: did you mean check_interval?\n"
    );
    assert_eq!(
        (status(&output), stdout(&output).as_str()),
        (Some(0), "OK\n")
    );
}

/// Everything about every file below a directory that a trace would change.
fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(path) = left.pop() {
        let found = path.symlink_metadata().expect("it is there");
        if found.is_dir() {
            let entries = fs::read_dir(&path).expect("it can be read");
            left.extend(entries.map(|entry| entry.expect("an entry").path()));
        }
        let times = (
            found.mtime(),
            found.mtime_nsec(),
            found.ctime(),
            found.ctime_nsec(),
        );
        let facts = format!(
            "{} {} {} {:?}",
            found.ino(),
            found.mode(),
            found.len(),
            times
        );
        all.insert(path, facts);
    }
    all
}

#[test]
fn nothing_is_made_touched_or_run() {
    let home = Home::new("trace");
    home.file(
        "main.conf",
        "[daemon]\npidfile = {dir}/a.pid\nbird_conf = {dir}/bird/p.conf\nbird_reconfigure_cmd = {dir}/check\n\
         bird_keep_changes = true\nlog_file = {dir}/a.log\nstderr_file = {dir}/e.log\nprometheus_exporter = true\n\
         prometheus_collector_textfile_dir = {dir}/bird\n",
    );
    home.file(
        "d/s.conf",
        "[s]\ncheck_cmd = {dir}/check\nip_prefix = 10.0.0.1\ncheck_disabled = false\nmaintenance_file = {dir}/off\n\
         custom_bird_reconfigure_cmd = {dir}/check\n",
    );
    let check = home.file("check", "#!/bin/sh\ntouch {dir}/trace\n");
    fs::set_permissions(&check, Permissions::from_mode(0o755)).expect("mode");
    home.file("bird/existing.conf", "define A = [ 10.0.0.1/32 ];\n");
    let before = tree(&home.0);
    for mode in ["-c", "-P", "-P --json", "-p", "-v", "-h", "-c -P"] {
        let output = home.run(&format!("-f main.conf -d d {mode}"));
        assert_eq!(status(&output), Some(0), "{mode}: {}", home.said(&output));
    }
    assert_eq!(tree(&home.0), before);
}

#[test]
fn the_printed_configuration_is_read_back() {
    let home = Home::new("again");
    home.good();
    home.file(
        "d/t.conf",
        "[t]\nhost = 50%%\ncheck_cmd = /bin/true %(host)s\n  'two\n  lines'\nip_prefix = 10.0.0.2,\n  10.0.0.3\n",
    );
    let printed = home.run("-f main.conf -d d -P");
    assert_eq!(status(&printed), Some(0));
    let text = stdout(&printed);
    assert!(
        text.contains("\ncheck_cmd = /bin/true 50%%\n\t'two\n\tlines'\n"),
        "{text}"
    );
    assert!(
        text.contains("\nip_prefix = 10.0.0.2,\n\t10.0.0.3\n"),
        "{text}"
    );
    home.file("printed.conf", &text);
    home.file("empty.conf", "");
    let again = home.run("-f printed.conf -F empty.conf -P");
    assert_eq!(stdout(&again), text);
    let json = |arguments: &str| stdout(&home.run(arguments));
    assert_eq!(
        json("-f main.conf -d d -P --json"),
        json("-f printed.conf -F empty.conf -P --json")
    );
    assert!(json("-f main.conf -d d -P --json").starts_with("{\n  \"daemon\": {\n"));
}

#[test]
fn the_defaults_are_a_configuration() {
    let home = Home::new("defaults");
    let defaults = stdout(&home.run("-p"));
    home.file("p.conf", &defaults);
    home.file("empty.conf", "");
    home.file(
        "paths.conf",
        "[daemon]\npidfile = {dir}/a.pid\nbird_conf = {dir}/bird/p.conf\nbird_reconfigure_cmd = true\n",
    );
    let with = home.run("-f p.conf -F paths.conf -P --json");
    let without = home.run("-f empty.conf -F paths.conf -P --json");
    assert_eq!(status(&with), Some(0), "{}", home.said(&with));
    assert_eq!(stdout(&with), stdout(&without));
    // -p wins over everything and reads nothing.
    assert_eq!(stdout(&home.run("-c -P -f /nonexistent -p")), defaults);
}

#[test]
fn service_files_are_taken_by_name() {
    let home = Home::new("order");
    home.good();
    for (name, rise) in [("b", 2), ("a", 1), ("B", 3), ("10", 4), ("c", 9)] {
        home.file(
            &format!("d/{name}.conf"),
            &format!("[s]\ncheck_fail = {rise}\n"),
        );
    }
    home.file("d/z.conf", "[s]\ncheck_rise = 7\n");
    for ignored in [".hidden.conf", "y.conf~", "x.txt", "conf"] {
        home.file(&format!("d/{ignored}"), "rubbish");
    }
    fs::create_dir(home.path("d/sub.conf")).expect("directory");
    fs::create_dir(home.path("d/sub")).expect("directory");
    home.file("d/sub/w.conf", "rubbish");
    let output = home.run("-f main.conf -d d -P");
    assert_eq!(
        home.said(&output),
        "note: directory 'd/sub.conf' is ignored\n"
    );
    let text = stdout(&output);
    assert!(
        text.contains("check_fail = 9\n") && text.contains("check_rise = 7\n"),
        "{text}"
    );
}

/// The only line about a problem with the files themselves.
fn refused(home: &Home, arguments: &str) -> String {
    let output = home.run(arguments);
    assert_eq!(status(&output), Some(1), "{arguments}");
    let said = home.said(&output);
    let (first, rest) = said.split_once('\n').unwrap_or_default();
    assert_eq!(first, "Invalid configuration: 1 error", "{said}");
    rest.trim_end().to_string()
}

#[test]
fn what_is_named_and_can_not_be_read_is_an_error() {
    let home = Home::new("unreadable");
    home.good();
    assert_eq!(
        refused(&home, "-f main.conf -d none -c"),
        "none: cannot read the directory: it does not exist"
    );
    assert_eq!(
        refused(&home, "-f main.conf -d main.conf -c"),
        "main.conf: cannot read the directory: it is no directory"
    );
    assert_eq!(
        refused(&home, "-f main.conf -F none -c"),
        "none: cannot read the file: it does not exist"
    );
    assert_eq!(
        refused(&home, "-f main.conf -F d -c"),
        "d: cannot read the file: it is a directory"
    );
    symlink("nowhere", home.path("d/dangling.conf")).expect("link");
    assert_eq!(
        refused(&home, "-f main.conf -d d -c"),
        "d/dangling.conf: cannot read the file: it does not exist"
    );
    fs::remove_file(home.path("d/dangling.conf")).expect("it is there");
    let fifo = home.path("d/x.conf");
    let made = Command::new("mkfifo")
        .arg(&fifo)
        .status()
        .expect("mkfifo runs");
    assert!(made.success());
    assert_eq!(
        refused(&home, "-f main.conf -d d -c"),
        "d/x.conf: cannot read the file: it is no regular file"
    );
    fs::remove_file(&fifo).expect("it is there");
    let sparse = File::create(home.path("d/huge.conf")).expect("file");
    sparse.set_len(1 << 40).expect("sparse file");
    assert_eq!(
        refused(&home, "-f main.conf -d d -c"),
        "d/huge.conf: cannot read the file: it has more than 16777216 bytes"
    );
    fs::remove_file(home.path("d/huge.conf")).expect("it is there");
    // The main file brings the paths, so more is wrong without it.
    let output = home.run("-f none -d d -c");
    assert_eq!(status(&output), Some(1));
    assert!(
        home.said(&output)
            .contains("\nnone: cannot read the file: it does not exist\n")
    );
}

#[test]
fn glob_characters_in_a_name_are_characters() {
    let home = Home::new("glob");
    home.good();
    fs::create_dir(home.path("d[1]")).expect("directory");
    home.file(
        "d[1]/a.conf",
        "[a]\ncheck_cmd = /bin/true\nip_prefix = 10.0.0.9\n",
    );
    let text = stdout(&home.run("-f main.conf -d d[1] -P"));
    assert!(text.contains("\n[a]\n"), "{text}");
}

#[test]
fn permissions_are_those_of_the_user() {
    if !is_root() {
        // Only root can become somebody else; the rules themselves are tested with invented answers.
        return;
    }
    let home = Home::new("user");
    home.good();
    let program = home.path("program");
    executable::copy(BINARY, &program);
    let check = home.file("check", "#!/bin/sh\n");
    home.file(
        "d/s.conf",
        "[s]\ncheck_cmd = {dir}/check\nip_prefix = 10.0.0.1\n",
    );
    // Whatever the umask of the test run; `check` stays as it is.
    let open = Command::new("chmod")
        .args(["-R", "go+rX"])
        .arg(&home.0)
        .status();
    assert!(open.expect("chmod runs").success());
    fs::set_permissions(&check, Permissions::from_mode(0o744)).expect("mode");
    let output = Command::new(&program)
        .args(["-f", "main.conf", "-d", "d", "-c"])
        .current_dir(&home.0)
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .expect("the program runs");
    assert_eq!(
        home.said(&output),
        "Invalid configuration: 3 errors\n\
         main.conf:2: [daemon] pidfile: user nobody may not write in directory '{dir}'\n\
         main.conf:3: [daemon] bird_conf: user nobody may not write in directory '{dir}/bird'\n\
         d/s.conf:2: [s] check_cmd: cannot run '{dir}/check': user nobody may not execute it\n"
    );
}

#[test]
fn wrong_usage_is_status_2() {
    let home = Home::new("usage");
    for arguments in ["-x", "word", "-f", "-d a -F b", "--json", "-c -t", "--pri"] {
        let output = home.run(arguments);
        assert_eq!(status(&output), Some(2), "{arguments}");
        assert_eq!(stdout(&output), "", "{arguments}");
        let said = home.said(&output);
        let mut lines = said.lines();
        assert!(
            lines
                .next()
                .is_some_and(|line| line.starts_with("anycast-healthchecker: ")),
            "{said}"
        );
        assert!(
            lines.next().is_some_and(|line| line.starts_with("Usage: ")),
            "{said}"
        );
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let home = Home::new("help");
    let version = home.run("--version");
    assert_eq!(stdout(&version), concat!(env!("CARGO_PKG_VERSION"), "\n"));
    let help = home.run("-h");
    assert!(stdout(&help).starts_with("Usage: anycast-healthchecker "));
    assert_eq!((status(&version), status(&help)), (Some(0), Some(0)));
    assert_eq!(
        (home.said(&version), home.said(&help)),
        (String::new(), String::new())
    );
}

#[test]
fn a_closed_standard_output_is_no_crash_and_a_full_one_an_error() {
    let home = Home::new("closed");
    home.good();
    for mode in [
        "-p",
        "-h",
        "-v",
        "-f main.conf -d d -c",
        "-f main.conf -d d -P",
    ] {
        let run = |stdout: Stdio| {
            let mut command = Command::new(BINARY);
            command
                .args(mode.split_whitespace())
                .current_dir(&home.0)
                .stdout(stdout);
            command
                .stderr(Stdio::piped())
                .output()
                .expect("the program runs")
        };
        let (reader, writer) = UnixStream::pair().expect("socket pair");
        drop(reader);
        let output = run(OwnedFd::from(writer).into());
        assert_eq!(
            (status(&output), home.said(&output).as_str()),
            (Some(0), ""),
            "{mode}"
        );
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        let output = run(full.into());
        assert_eq!(status(&output), Some(1), "{mode}");
        assert!(
            home.said(&output)
                .starts_with("cannot write to standard output: "),
            "{mode}"
        );
    }
}

/// The program under strace(1), which makes system calls fail.
fn injected(home: &Home, injection: &str, arguments: &str) -> Output {
    let traced = "-qq -o /dev/null -e trace=socket,faccessat2,faccessat,getdents64,read -e";
    let mut command = Command::new("strace");
    command
        .args(traced.split_whitespace())
        .args(format!("inject={injection}").split_whitespace())
        .arg(BINARY)
        .args(arguments.split_whitespace())
        .current_dir(&home.0);
    command.output().expect("strace runs")
}

#[test]
fn a_filter_that_denies_faccessat2_denies_nothing_else() {
    let home = Home::new("faccessat2");
    home.good();
    for error in ["EPERM", "ENOSYS"] {
        let output = injected(
            &home,
            &format!("faccessat2:error={error}"),
            "-f main.conf -d d -c",
        );
        assert_eq!(
            (home.said(&output).as_str(), stdout(&output).as_str()),
            ("", "OK\n")
        );
    }
    let output = injected(&home, "faccessat2:error=EACCES", "-f main.conf -d d -c");
    assert!(
        home.said(&output).contains("may not"),
        "{}",
        home.said(&output)
    );
}

#[test]
fn a_sandbox_without_netlink_is_an_error_for_those_who_need_it() {
    let home = Home::new("netlink");
    home.good();
    let check = |settings: &str| {
        let text = format!(
            "[s]\ncheck_cmd = /bin/true\nip_prefix = 10.0.0.1\ncheck_disabled = false\n{settings}"
        );
        home.file("d/s.conf", &text);
        injected(&home, "socket:error=EAFNOSUPPORT", "-f main.conf -d d -c")
    };
    let output = check("");
    let said = home.said(&output);
    assert_eq!(status(&output), Some(1), "{said}");
    assert!(said.contains("RestrictAddressFamilies="), "{said}");
    let output = check("ip_check_disabled = true\n");
    assert_eq!(
        (status(&output), home.said(&output)),
        (Some(0), String::new())
    );
}

/// `nsenter -n` and the like leave /sys as it was.
#[test]
fn interfaces_are_those_of_the_network_namespace() {
    let home = Home::new("namespace");
    home.good();
    home.file(
        "d/s.conf",
        "[s]\ncheck_cmd = /bin/true\nip_prefix = 10.0.0.1\ncheck_disabled = false\ninterface = inside0\n",
    );
    let script = format!(
        "ip link add inside0 type veth peer name inside1 && ip addr add 10.0.0.1/32 dev inside0 && \
         test ! -e /sys/class/net/inside0 && exec {BINARY} -f main.conf -d d -c"
    );
    let output = Command::new("nsenter")
        .args([
            "--net=/proc/self/ns/net",
            "unshare",
            "-n",
            "sh",
            "-c",
            &script,
        ])
        .current_dir(&home.0)
        .output()
        .expect("unshare runs");
    assert_eq!(
        (home.said(&output).as_str(), stdout(&output).as_str()),
        ("", "OK\n")
    );
}

#[test]
fn a_masked_service_file_is_empty_and_a_device_is_no_pidfile() {
    let home = Home::new("null");
    home.good();
    symlink("/dev/null", home.path("d/masked.conf")).expect("link");
    let output = home.run("-f main.conf -d d -c");
    assert_eq!(
        (home.said(&output).as_str(), stdout(&output).as_str()),
        ("", "OK\n")
    );
    let main = "[daemon]\npidfile = /dev/null\nbird_conf = {dir}/bird/p.conf\nbird_reconfigure_cmd = true\n";
    home.file("main.conf", main);
    assert_eq!(
        refused(&home, "-f main.conf -d d -c"),
        "main.conf:2: [daemon] pidfile: '/dev/null' is no regular file"
    );
}

/// The same that the daemon waits for; the reload of a unit asks `-c` first.
#[test]
fn a_file_that_is_being_written_is_waited_for() {
    let home = Home::new("writing");
    home.good();
    let file = home.path("d/s.conf");
    let whole = fs::read_to_string(&file).expect("read");
    fs::write(&file, &whole[..whole.len() - 1]).expect("write");
    let child = Command::new(BINARY)
        .args("-f main.conf -d d -P".split_whitespace())
        .current_dir(&home.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    // It has read the file, and sleeps.
    let state = || fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("it runs");
    while !state().contains(") S ") {
        std::thread::yield_now();
    }
    fs::write(&file, whole.replace("10.0.0.1", "10.0.0.12")).expect("write");
    let output = child.wait_with_output().expect("it ends");
    assert!(
        stdout(&output).contains("ip_prefix = 10.0.0.12\n"),
        "{}",
        stdout(&output)
    );
    assert!(
        home.said(&output).contains("was read again"),
        "{}",
        home.said(&output)
    );
}

#[test]
fn what_fails_half_way_is_an_error() {
    let home = Home::new("half");
    home.good();
    let output = injected(&home, "getdents64:error=EIO", "-f main.conf -d d -c");
    let said = home.said(&output);
    assert!(
        said.contains("d: cannot read the directory: Input/output error"),
        "{said}"
    );
    assert_eq!(status(&output), Some(1));
    // The first part has been read; the file is that of the services.
    let output = injected(
        &home,
        "read:error=EIO:when=2 -P d/s.conf",
        "-f main.conf -d d -c",
    );
    let said = home.said(&output);
    assert!(
        said.contains("d/s.conf: cannot read the file: Input/output error"),
        "{said}"
    );
    assert_eq!(status(&output), Some(1));
}
