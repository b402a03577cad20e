//! anycast-healthchecker-withdraw: what is announced by a daemon that is gone, is withdrawn, and nothing else is done.
//!
//! The daemon is a stand-in (its configuration, its --status) or its lock alone, held by socat. BIRD is a stand-in
//! for birdc, and BIRD itself in the last test.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use crate::tools::{Dir, Done, NAME, alone, path_with, read, run, source};

/// A host: prefix files that announce, the program's stand-in, and a birdc that writes down how it was called.
struct Host(Dir);

impl Host {
    fn new() -> Host {
        let host = Host(Dir::new("withdraw"));
        host.0.script(
            &format!("bin/{NAME}"),
            "#!/bin/sh\nhere=${0%/*}/..\ncase \"$*\" in\n--status) exit \"$(cat \"$here/status\")\" ;;\n\
             *-P*) [ -e \"$here/conf\" ] && cat \"$here/conf\" ;;\n-p) cat \"$here/defaults\" ;;\n*) exit 2 ;;\nesac\n",
        );
        host.birdc("Reconfigured", 0);
        // 3: no daemon answers.
        host.0.write("status", "3\n");
        host.0.write(
            "lib/4.conf",
            "define OURS = [ 10.189.200.255/32, 10.0.0.1/32 ];\n",
        );
        host.0.write(
            "lib/6.conf",
            "define OURS6 = [ 2001:db8::1/128, 2001:db8:1::/48 ];\n",
        );
        host.conf(
            "bird_control_socket = /run/x.ctl\nbird6_control_socket = /run/x.ctl\n",
            "",
        );
        host
    }

    fn birdc(&self, answer: &str, status: u8) {
        let text = format!(
            "#!/bin/sh\necho \"$*\" >>\"${{0%/*}}/../calls\"\necho '{answer}'\nexit {status}\n"
        );
        self.0.script("bin/birdc", &text);
    }

    /// What `-P` prints.
    fn conf(&self, daemon: &str, services: &str) {
        let lib = self.0.at("lib");
        let lib = lib.display();
        let text = format!(
            "[DEFAULT]\ninterface = lo\n\n[daemon]\nipv4 = true\nipv6 = true\nbird_conf = {lib}/4.conf\n\
             bird6_conf = {lib}/6.conf\nbird_variable = OURS\nbird6_variable = OURS6\n\
             bird_reconfigure_cmd = sudo /usr/sbin/birdc configure\nbird6_reconfigure_cmd = sudo birdc6\n\
             dummy_ip_prefix = 10.189.200.255/32\ndummy_ip6_prefix = 2001:db8::1/128\n{daemon}\n{services}"
        );
        self.0.write("conf", &text);
    }

    /// In a network namespace of its own, after `first` has run there.
    fn withdraw_after(&self, first: &str, arguments: &[&str]) -> Done {
        run(&mut self.command(&format!("{first}\n\"$@\""), arguments))
    }

    fn withdraw(&self, arguments: &[&str]) -> Done {
        self.withdraw_after("", arguments)
    }

    fn command(&self, script: &str, arguments: &[&str]) -> Command {
        let mut command = alone(script);
        command
            .arg(source("contrib/systemd/anycast-healthchecker-withdraw"))
            .args(arguments)
            .env("PATH", path_with(Some(&self.0.at("bin"))))
            .env("DIR", self.0.path())
            .env_remove("SERVICE_RESULT");
        command
    }

    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.at("calls")).unwrap_or_default();
        text.lines().map(String::from).collect()
    }

    fn withdrawn(&self) -> bool {
        let (four, six) = (read(self.0.at("lib/4.conf")), read(self.0.at("lib/6.conf")));
        let expected = "define OURS =\n    [\n        10.189.200.255/32\n    ];\n";
        let expected6 = "define OURS6 =\n    [\n        2001:db8::1/128\n    ];\n";
        let ours = four.ends_with(expected) && six.ends_with(expected6);
        let untouched = four.contains("10.0.0.1") && six.contains("2001:db8:1::");
        assert!(
            ours != untouched,
            "neither withdrawn nor as it was:\n{four}{six}"
        );
        ours
    }
}

/// Takes the daemon's lock in the namespace; $holder is who has it.
const LOCK: &str = "socat -u ABSTRACT-RECV:anycast-healthchecker OPEN:/dev/null & holder=$!\n\
     trap 'kill $holder' EXIT\nwait_for \"grep -q '@anycast-healthchecker$' /proc/net/unix\"\n";

#[test]
fn both_files_are_rewritten_and_one_bird_is_told_once() {
    let host = Host::new();
    host.withdraw(&[]).ok().says("withdrew every prefix");
    assert!(host.withdrawn());
    assert_eq!(host.calls(), ["-s /run/x.ctl configure"]);
    // A temporary file would be left beside them.
    assert_eq!(
        fs::read_dir(host.0.at("lib")).expect("it is there").count(),
        2
    );
}

#[test]
fn a_link_stays_and_mode_and_owner_are_kept() {
    let host = Host::new();
    let real = host
        .0
        .write("elsewhere/list", &read(host.0.at("lib/4.conf")));
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).expect("it is ours");
    fs::remove_file(host.0.at("lib/4.conf")).expect("it is there");
    symlink("../elsewhere/list", host.0.at("lib/4.conf")).expect("can be made");
    let owner = if crate::tools::is_root() {
        4711
    } else {
        fs::metadata(&real).expect("it exists").uid()
    };
    std::os::unix::fs::chown(&real, Some(owner), None).expect("it is ours");
    host.withdraw(&[]).ok();
    assert!(host.withdrawn());
    assert!(
        fs::symlink_metadata(host.0.at("lib/4.conf"))
            .expect("it exists")
            .is_symlink()
    );
    let meta = fs::metadata(&real).expect("it exists");
    assert_eq!((meta.mode() & 0o777, meta.uid()), (0o640, owner));
}

#[test]
fn a_missing_file_is_made_so_that_bird_can_read_it() {
    let host = Host::new();
    fs::remove_file(host.0.at("lib/6.conf")).expect("it is there");
    host.withdraw(&[]).ok();
    assert!(host.withdrawn());
    let mode = fs::metadata(host.0.at("lib/6.conf"))
        .expect("it was made")
        .mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[test]
fn nothing_is_done_while_a_daemon_answers() {
    for status in ["0", "1"] {
        let host = Host::new();
        host.0.write("status", status);
        host.withdraw(&[]).ok().says("the daemon runs");
        assert!(!host.withdrawn());
        assert!(host.calls().is_empty());
    }
}

#[test]
fn nothing_is_done_while_the_lock_is_held() {
    let host = Host::new();
    host.withdraw_after(LOCK, &[]).ok().says("the daemon runs");
    assert!(!host.withdrawn());
    assert!(host.calls().is_empty());
}

#[test]
fn a_daemon_that_comes_back_in_time_is_left_alone() {
    let host = Host::new();
    // The lock is taken once the helper has looked for the first time, for which it asks --status.
    host.0.script(
        &format!("bin/{NAME}"),
        "#!/bin/sh\n[ \"$*\" = --status ] && : >\"${0%/*}/../asked\"\nexit 3\n",
    );
    let script = format!("(wait_for '[ -e $DIR/asked ]'\n{LOCK}\nwait) &\n\"$@\"\nkill 0");
    let done = run(std::os::unix::process::CommandExt::process_group(
        &mut host.command(&script, &["-w", "60"]),
        0,
    ));
    assert!(done.err.contains("the daemon runs"), "{}", done.err);
    assert!(!host.withdrawn());
}

#[test]
fn patience_has_an_end() {
    let host = Host::new();
    host.withdraw(&["-w", "2"]).ok();
    assert!(host.withdrawn());
}

#[test]
fn a_stop_that_was_asked_for_is_not_its_business() {
    let host = Host::new();
    let done = run(host.command("\"$@\"", &[]).env("SERVICE_RESULT", "success")).ok();
    assert_eq!(done.err, "");
    assert!(!host.withdrawn());
    run(host.command("\"$@\"", &[]).env("SERVICE_RESULT", "signal")).ok();
    assert!(host.withdrawn());
}

#[test]
fn a_refusal_of_bird_is_reported_in_its_words() {
    let host = Host::new();
    host.birdc("/etc/bird/bird.conf:7:1 syntax error", 1);
    host.withdraw(&[])
        .exits(1)
        .says("bird.conf:7:1 syntax error");
    // The files are right all the same, for the BIRD that will read them later.
    assert!(host.withdrawn());
    assert_eq!(host.calls().len(), 5);
}

#[test]
fn an_acceptance_is_not_mistaken_and_neither_is_a_refusal() {
    for (answer, code) in [
        ("Reconfiguration in progress", 0),
        (
            "Reconfiguration already in progress, queueing new config",
            0,
        ),
        ("Reconfiguration ignored, shutting down", 1),
        ("", 1),
    ] {
        let host = Host::new();
        host.birdc(answer, 0);
        host.withdraw(&[]).exits(code);
    }
}

#[test]
fn commands_are_split_into_words_and_never_seen_by_a_shell() {
    let host = Host::new();
    host.conf(
        "bird_reconfigure_cmd = birdc 'two words' \"$HOME\" a\\ b 100%% # ; *\nbird6_reconfigure_cmd: birdc\n  six\n",
        "",
    );
    host.withdraw(&[]).ok();
    assert_eq!(host.calls(), ["two words $HOME a b 100% # ; *", "six"]);
}

#[test]
fn custom_commands_are_told_down() {
    let host = Host::new();
    let custom = "[www [1]]\ncheck_cmd = true\ncustom_bird_reconfigure_cmd = birdc custom\n\n[dns]\ncheck_cmd = true\n";
    host.conf("bird_control_socket = /run/x.ctl\nipv6 = off\n", custom);
    host.withdraw(&[]).ok();
    assert_eq!(host.calls(), ["-s /run/x.ctl configure", "custom down"]);
    assert!(
        read(host.0.at("lib/6.conf")).contains("2001:db8:1::"),
        "the other family is switched off"
    );
}

#[test]
fn a_configuration_that_the_daemon_refuses_is_read_as_it_stands() {
    let host = Host::new();
    let text = read(host.0.at("conf")).replace("dummy_ip_prefix = 10.189.200.255/32", "");
    host.0.write("etc.conf", &format!("{text}\nnonsense\n"));
    fs::remove_file(host.0.at("conf")).expect("it is there");
    host.0.write(
        "defaults",
        "[daemon]\nbird_conf = /nonexistent\ndummy_ip_prefix = 10.189.200.255\n",
    );
    let file = host.0.at("etc.conf").display().to_string();
    host.withdraw(&["-f", &file]).ok().says("is not valid");
    assert!(host.withdrawn());
}

#[test]
fn missing_files_alone_are_made_and_bird_is_not_told() {
    let host = Host::new();
    fs::remove_dir_all(host.0.at("lib")).expect("it is there");
    host.withdraw(&["-m"]).silent();
    assert!(host.withdrawn());
    host.0.write(
        "lib/4.conf",
        "define OURS = [ 10.189.200.255/32, 10.0.0.1/32 ];\n",
    );
    host.0.write(
        "lib/6.conf",
        "define OURS6 = [ 2001:db8::1/128, 2001:db8:1::/48 ];\n",
    );
    host.withdraw(&["-m"]).silent();
    assert!(!host.withdrawn(), "existing files stay");
    assert!(host.calls().is_empty());
}

#[test]
fn wrong_usage_changes_nothing() {
    let host = Host::new();
    for arguments in [&["-w", "soon"][..], &["-x"], &["now"]] {
        host.withdraw(arguments).exits(2).says("usage:");
    }
    host.withdraw(&["-h"]).ok().says("usage:");
    assert!(!host.withdrawn());
}

/// As procd runs it: it stays, and each daemon that goes takes its prefixes along.
#[test]
fn the_watch_withdraws_whenever_the_daemon_is_gone() {
    let host = Host::new();
    let script = format!(
        "{LOCK}\n\"$@\" 2>$DIR/said & watch=$!\ntrap 'kill $watch $holder' EXIT\n\
         kill $holder\nwait_for '! grep -q 10.0.0.1 $DIR/lib/4.conf'\nwait_for '[ -e $DIR/calls ]'\n\
         printf 'define OURS = [ 10.0.0.1/32 ];\\n' >$DIR/lib/4.conf\n\
         {LOCK}\ntrap 'kill $watch $holder' EXIT\nwait_for 'grep -q back $DIR/said'\n\
         grep -q 10.0.0.1 $DIR/lib/4.conf || exit 8\n\
         kill $holder\nwait_for '! grep -q 10.0.0.1 $DIR/lib/4.conf'\ntrap 'kill $watch' EXIT\n"
    );
    run(&mut host.command(&script, &["-l", "2"])).ok();
}

/// The real program instead of its stand-in: its `--status` when nobody answers, and what its `-P` prints.
#[test]
fn it_reads_what_the_real_program_prints() {
    let host = Host::new();
    let program = host.0.at(&format!("bin/{NAME}"));
    fs::remove_file(&program).expect("it is there");
    symlink(crate::tools::BINARY, &program).expect("can be made");
    let lib = host.0.at("lib").display().to_string();
    let conf = host.0.write(
        "real.conf",
        &format!(
            "[DEFAULT]\nplace = {lib}\n[daemon]\npidfile = {lib}/pid\nipv6 = yes\nbird_conf = %(place)s/4.conf\n\
             bird6_conf = {lib}/6.conf\nbird_variable = OURS\nbird6_variable = OURS6\n\
             bird_reconfigure_cmd = birdc four 100%%\nbird6_reconfigure_cmd =\n  birdc\n  \"six six\"\n"
        ),
    );
    let services = "[www]\ncheck_cmd = /bin/true\ncheck_disabled = false\nip_prefix = 10.0.0.1\n\
         custom_bird_reconfigure_cmd = birdc '%%custom'\n";
    let services = host
        .0
        .write("services.conf", services)
        .display()
        .to_string();
    let done = host
        .withdraw(&["-f", &conf.display().to_string(), "-F", &services])
        .ok();
    assert!(!done.err.contains("is not valid"), "{}", done.err);
    assert!(host.withdrawn());
    assert_eq!(host.calls(), ["four 100%", "six six", "%custom down"]);
}

#[test]
fn a_real_bird_forgets_the_prefixes() {
    let host = Host::new();
    host.conf(
        "bird_control_socket = BIRD_CTL\nbird6_control_socket = BIRD_CTL\n",
        "",
    );
    let dir = host.0.path().display().to_string();
    let text = read(host.0.at("conf")).replace("BIRD_CTL", &format!("{dir}/bird.ctl"));
    host.0.write("conf", &text);
    fs::remove_file(host.0.at("bin/birdc")).expect("it is there");
    host.0.write(
        "bird.conf",
        &format!("router id 10.0.0.9;\ninclude \"{dir}/lib/4.conf\";\ninclude \"{dir}/lib/6.conf\";\nprotocol device {{ }}\n"),
    );
    let script = "bird -f -c $DIR/bird.conf -s $DIR/bird.ctl -P $DIR/bird.pid & bird=$!\ntrap 'kill $bird' EXIT\n\
         wait_for 'birdc -s $DIR/bird.ctl show status >/dev/null 2>&1'\n\
         show() { birdc -s $DIR/bird.ctl eval OURS; birdc -s $DIR/bird.ctl eval OURS6; }\n\
         show\n\"$@\"\necho AFTER\nshow\n";
    let done = run(&mut host.command(script, &[])).ok();
    let (before, after) = done.out.split_once("AFTER").expect("it came to its end");
    assert!(
        before.contains("10.0.0.1/32") && before.contains("2001:db8:1::/48"),
        "{before}"
    );
    assert!(
        after.contains("10.189.200.255/32") && after.contains("2001:db8::1/128"),
        "{after}"
    );
    assert!(
        !after.contains("10.0.0.1/32") && !after.contains("2001:db8:1::/48"),
        "{after}"
    );
}
