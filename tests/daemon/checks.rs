//! What a check may do to the daemon, and what it may rely on.

use std::time::Duration;

use crate::support::daemon::{Daemon, PROGRAM, is_alive};
use crate::support::fake_bird::FakeBird;
use crate::support::{Lab, holds_for, wait_until};

/// A service whose check is this script, and another one that passes all the time.
pub fn lab_with_check(name: &str, script: &str, settings: &[(&str, &str)]) -> Lab {
    let lab = Lab::new(name);
    FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    lab.script("odd", script);
    let command = lab.path("odd").display().to_string();
    let mut all = vec![
        ("ip_prefix", "10.1.0.1/32"),
        ("check_cmd", command.as_str()),
    ];
    all.extend_from_slice(settings);
    lab.service("odd", &all);
    lab.service("steady", &[("ip_prefix", "10.1.0.2/32")]);
    lab
}

fn bird(lab: &Lab) -> FakeBird<'_> {
    FakeBird::install(lab)
}

/// The steady check beside an odd one went on: what the odd one does would hold it up for a thousand seconds, a busy
/// machine for one or two.
#[track_caller]
fn assert_not_delayed(lab: &Lab) {
    let runs = lab.runs("steady");
    let longest = runs
        .windows(2)
        .map(|pair| pair[1].at_ms - pair[0].at_ms)
        .max()
        .unwrap_or(0);
    assert!(
        longest <= 10_000,
        "another check was held up for {longest} ms: {runs:?}"
    );
}

#[test]
fn a_time_out_kills_the_whole_group_even_if_it_ignores_sigterm() {
    let script = concat!(
        "#!/bin/sh
trap '' TERM
sh -c 'trap \"\" TERM; sleep 1000; sleep 1000' &
",
        "echo $$ $! >>\"$ANYCAST_TEST_LAB/pids\"
while :; do sleep 1000; done
"
    );
    let lab = lab_with_check(
        "time-out",
        script,
        &[
            ("check_timeout", "0.3"),
            ("check_interval", "0.5"),
            ("check_fail", "2"),
        ],
    );
    lab.write(
        "4/prefixes.conf",
        "define ACAST_PS_ADVERTISE = [ 10.189.200.255/32, 10.1.0.1/32 ];\n",
    );
    let mut daemon = Daemon::start(&lab);
    assert!(
        lab.announced("4").contains(&"10.1.0.1/32".to_string()),
        "nothing is known yet"
    );
    bird(&lab).wait_exports("4", &["10.1.0.2/32"]);
    wait_until("four runs", || lab.read("pids").lines().count() >= 4);
    let text = lab.read("pids");
    let pids: Vec<u32> = text
        .lines()
        .take(3)
        .flat_map(|line| {
            line.split(' ')
                .map(|pid| pid.parse().expect("pid"))
                .collect::<Vec<_>>()
        })
        .collect();
    wait_until("the groups of the first runs are gone", || {
        pids.iter().all(|&pid| !is_alive(pid))
    });
    assert_not_delayed(&lab);
    daemon.stop();
    wait_until("nothing is left", || lab.processes().is_empty());
}

#[test]
fn a_grandchild_that_keeps_the_pipes_delays_nothing_and_fails_nothing() {
    let script = "#!/bin/sh\nsleep 1000 &\necho $! >>\"$ANYCAST_TEST_LAB/grandchildren\"\necho fine\nexit 0\n";
    let lab = lab_with_check(
        "grandchild",
        script,
        // Whoever waits for the pipes is heard when nobody listens any more.
        &[("check_interval", "0.2"), ("check_timeout", "100")],
    );
    let mut daemon = Daemon::start(&lab);
    bird(&lab).wait_exports("4", &["10.1.0.1/32", "10.1.0.2/32"]);
    wait_until("a few runs", || {
        lab.read("grandchildren").lines().count() >= 3
    });
    let before = daemon.descriptors();
    wait_until("many runs", || {
        lab.read("grandchildren").lines().count() >= 10
    });
    // At some moment no check runs; kept pipes of seven runs would be there at every moment.
    wait_until("no more descriptors than before", || {
        daemon.descriptors() <= before + 3
    });
    assert_not_delayed(&lab);
    daemon.stop();
    wait_until("no grandchild outlives its check", || {
        lab.processes().is_empty()
    });
}

#[test]
fn a_check_that_prints_100_mb_passes_and_costs_no_memory() {
    // And goes on to print until another check has run beside it.
    let script = concat!(
        "#!/bin/sh\ncd \"$ANYCAST_TEST_LAB\"\n",
        "head -c 100000000 /dev/zero\nhead -c 1000000 /dev/zero >&2\nbefore=$(wc -l <checks/steady.runs)\n",
        "until [ \"$(wc -l <checks/steady.runs)\" -gt $((before + 3)) ]; do head -c 1000000 /dev/zero; done\n",
        "echo done >>printed\n"
    );
    let lab = lab_with_check(
        "prints",
        script,
        &[("check_interval", "60"), ("check_timeout", "30")],
    );
    let mut daemon = Daemon::start(&lab);
    bird(&lab).wait_exports("4", &["10.1.0.1/32", "10.1.0.2/32"]);
    assert!(!lab.read("printed").is_empty());
    let peak_kb = daemon.status_number("VmHWM");
    assert!(peak_kb < 24 * 1024, "peak memory {peak_kb} kB");
    daemon.stop();
}

#[test]
fn a_check_that_prints_100_mb_and_fails_is_logged_within_bounds() {
    let script = "#!/bin/sh\nhead -c 100000000 /dev/zero | tr '\\0' x\nexit 9\n";
    let lab = lab_with_check(
        "prints-fails",
        script,
        &[("check_interval", "60"), ("check_timeout", "30")],
    );
    let mut daemon = Daemon::start(&lab);
    daemon.wait_line(&["odd", "xxxxxxxx"]);
    let longest = daemon.out.all().iter().map(String::len).max().unwrap_or(0);
    assert!(longest < 70_000, "a line of {longest} bytes");
    let peak_kb = daemon.status_number("VmHWM");
    assert!(peak_kb < 24 * 1024, "peak memory {peak_kb} kB");
    daemon.stop();
}

#[test]
fn closing_its_output_is_no_reason_for_anything() {
    let script =
        "#!/bin/sh\nexec >&- 2>&-\nsleep 0.1\nexit \"$(cat \"$ANYCAST_TEST_LAB/checks/odd\")\"\n";
    let lab = lab_with_check("closes", script, &[]);
    lab.answer("odd", 0);
    let mut daemon = Daemon::start(&lab);
    bird(&lab).wait_exports("4", &["10.1.0.1/32", "10.1.0.2/32"]);
    lab.answer("odd", 4);
    bird(&lab).wait_exports("4", &["10.1.0.2/32"]);
    // No busy loop over a pipe at its end: a whole second of this costs next to nothing.
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).expect("stat");
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .expect("stat")
            .1
            .split_whitespace()
            .collect();
        fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime")
    };
    let before = ticks();
    let runs = lab.runs("steady").len();
    wait_until("six more runs", || lab.runs("steady").len() >= runs + 6);
    let used = ticks() - before;
    assert!(
        used <= 30,
        "{used} hundredths of a second of CPU within a second"
    );
    daemon.stop();
}

#[test]
fn a_command_that_disappears_is_a_failed_check_127_and_comes_back() {
    let lab = lab_with_check("deleted", "#!/bin/sh\nexit 0\n", &[("check_fail", "2")]);
    let mut daemon = Daemon::start(&lab);
    bird(&lab).wait_exports("4", &["10.1.0.1/32", "10.1.0.2/32"]);
    lab.remove("odd");
    bird(&lab).wait_exports("4", &["10.1.0.2/32"]);
    daemon.wait_line(&["odd", "127"]);
    lab.script("odd", "#!/bin/sh\nexit 0\n");
    bird(&lab).wait_exports("4", &["10.1.0.1/32", "10.1.0.2/32"]);
    assert_not_delayed(&lab);
    daemon.stop();
}

#[test]
fn a_command_that_may_not_be_run_is_a_failed_check_126() {
    use std::os::unix::fs::PermissionsExt;
    let lab = lab_with_check("forbidden", "#!/bin/sh\nexit 0\n", &[]);
    let mut daemon = Daemon::start(&lab);
    let up = ["10.1.0.1/32", "10.1.0.2/32"];
    bird(&lab).wait_exports("4", &up);
    let mode = |mode| {
        std::fs::set_permissions(lab.path("odd"), std::fs::Permissions::from_mode(mode))
            .expect("chmod")
    };
    mode(0o644);
    bird(&lab).wait_exports("4", &["10.1.0.2/32"]);
    daemon.wait_line(&["odd", "126"]);
    mode(0o755);
    bird(&lab).wait_exports("4", &up);
    // No interpreter named, no ELF: exec refuses it, and no shell is tried.
    lab.script("odd", "exit 0\n");
    bird(&lab).wait_exports("4", &["10.1.0.2/32"]);
    daemon.stop();
}

#[test]
fn hundreds_of_runs_leave_no_descriptor_and_no_zombie() {
    let lab = Lab::new("leaks");
    FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[("loglevel", "warning")]);
    let checks = [
        "/bin/true",
        "/bin/false",
        "/bin/sleep 5",
        "/bin/sh -c 'echo out; echo err >&2; exit 3'",
        "/bin/echo x",
    ];
    for (number, check) in checks.iter().enumerate() {
        let prefix = format!("10.1.0.{number}/32");
        let settings = [
            ("ip_prefix", prefix.as_str()),
            ("check_cmd", check),
            ("check_interval", "0.03"),
            ("check_timeout", "0.02"),
        ];
        lab.service(&format!("s{number}"), &settings);
    }
    lab.service(
        "counted",
        &[("ip_prefix", "10.2.0.1/32"), ("check_interval", "0.05")],
    );
    let mut daemon = Daemon::start(&lab);
    wait_until("warm", || lab.runs("counted").len() >= 5);
    let (descriptors, memory_kb) = (daemon.descriptors(), daemon.status_number("VmRSS"));
    wait_until("a hundred of the counted check", || {
        lab.runs("counted").len() >= 60
    });
    let most = checks.len() + 3;
    assert!(
        daemon.children().len() <= most,
        "children pile up: {:?}",
        daemon.children()
    );
    // Each running check has two pipes, of which both ends may be held.
    let now = daemon.descriptors();
    assert!(
        now <= descriptors + 4 * most,
        "descriptors grow: {descriptors}, then {now}"
    );
    let memory_now_kb = daemon.status_number("VmRSS");
    assert!(
        memory_now_kb < memory_kb + 2048,
        "memory grows: {memory_kb} kB, then {memory_now_kb} kB"
    );
    daemon.stop();
    wait_until("nothing is left", || lab.processes().is_empty());
}

#[test]
fn more_checks_at_once_than_the_soft_limit_of_descriptors_allows() {
    let lab = Lab::new("descriptors");
    let bird = FakeBird::install(&lab);
    lab.daemon(&[]);
    let mut wanted = Vec::new();
    for number in 0..120 {
        let prefix = format!("10.1.0.{number}/32");
        let check = [
            ("ip_prefix", prefix.as_str()),
            ("check_cmd", "/bin/sleep 0.5"),
            ("check_interval", "60"),
        ];
        lab.service(&format!("s{number}"), &check);
        wanted.push(prefix);
    }
    let mut command = lab.command("/bin/sh");
    command.args(["-c", "ulimit -Sn 64; exec \"$@\"", "sh", PROGRAM]);
    command
        .arg("-f")
        .arg(lab.path("main.conf"))
        .arg("-d")
        .arg(lab.path("services"));
    let mut daemon = Daemon::spawn(command);
    bird.wait_exports("4", &wanted.iter().map(String::as_str).collect::<Vec<_>>());
    holds_for("it stays", Duration::from_millis(100), || {
        daemon.is_running()
    });
    daemon.stop();
}
