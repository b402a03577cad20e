//! The Nagios plugin on documents of `--status --json`, in full and as a summary, under the shell and awk of Debian and of
//! a router.

use crate::tools::{Dir, Done, command, path_with, run, source};

const HEAD: &str = r#"{"program":"anycast-healthchecker","version":"1.0.0","pid":5,"started":"2026-11-23T00:00:00Z",
"started_unix":17,"uptime_seconds":12.5,"#;

/// The answers to a question about all services, and to one about those that are named.
struct Documents {
    summary: String,
    services: Vec<(String, String)>,
}

/// Families, and services by name, state and whether they are in maintenance; the counts are made of them.
fn documents(families: &str, rows: &[(&str, &str, bool)]) -> Documents {
    let count = |state: &str| rows.iter().filter(|row| row.1 == state).count();
    let drained = rows.iter().filter(|row| row.2).count();
    let counts = format!(
        r#""summary":{{"services":{},"up":{},"down":{},"unknown":{},"disabled":{},"maintenance":{drained},"overdue":0}}"#,
        rows.len(),
        count("up"),
        count("down"),
        count("unknown"),
        count("disabled"),
    );
    let document = |problems: &str, services: &str| {
        format!(
            "{HEAD}{counts},\"families\":[{families}],\"checks_running\":0,\"config\":{{\"loaded\":\"x\"}},\
             \"problems\":[{problems}],\"services\":[{services}]}}\n"
        )
    };
    let texts = |only_down: bool| -> Vec<String> {
        let rows = rows.iter().filter(|row| !only_down || row.1 == "down");
        rows.map(|(name, state, drained)| service(name, state, *drained))
            .collect()
    };
    let names = rows.iter().map(|row| row.0.to_string());
    let each = texts(false).into_iter().map(|text| document("", &text));
    let first = texts(true).into_iter().take(20).collect::<Vec<_>>();
    Documents {
        summary: document(&first.join(","), ""),
        services: names.zip(each).collect(),
    }
}

fn service(name: &str, status: &str, maintenance: bool) -> String {
    let announced = status == "up";
    format!(
        r#"{{"name":"{name}","prefixes":[{{"prefix":"10.0.0.1/32","assigned":true,"advertised":{announced}}},
{{"prefix":"2001:db8::2/128","assigned":null,"advertised":{announced}}}],"status":"{status}",
"reason":"the last 2 checks failed, status {{1}}: [x], y tab\tquote\" pipe| back\\slash \u001b[31m","since":"z",
"last":{{"result":"fail","code":1,"first_line":"tab\tquote\" pipe| back\\slash \u001b[31m"}},"next_run_in_seconds":1.5,"maintenance":{maintenance}}}"#
    )
}

const SETTLED: &str = r#"{"family":"ipv4","settled":true,"trouble":null,"advertised":1}"#;
const TROUBLE: &str =
    r#"{"family":"ipv6","settled":false,"trouble":"bird.conf:7:1 syntax error","advertised":1}"#;

/// The plugin's answer, which must be the same in both worlds.
fn check(documents: &Documents, status: u8, arguments: &[&str]) -> Done {
    let dir = Dir::new("nagios");
    dir.write("summary", &documents.summary);
    dir.write(
        "none",
        &format!("{HEAD}\"summary\":{{\"services\":1}},\"services\":[]}}\n"),
    );
    for (name, document) in &documents.services {
        if !name.contains('\\') {
            dir.write(&format!("service-{name}"), document);
        }
    }
    let program = dir.script(
        "program",
        &format!(
            "#!/bin/sh\ncd \"${{0%/*}}\" || exit 2\n[ \"$1 $2\" = '--status --json' ] || exit 2\n\
             case $3 in\n--summary) [ $# -eq 3 ] && cat summary ;;\n\
             --) [ $# -eq 4 ] && if [ -e \"service-$4\" ]; then cat \"service-$4\"; else cat none; fi ;;\n\
             *) exit 2 ;;\nesac\nexit {status}\n"
        ),
    );
    let plugin = source("contrib/nagios/check_anycast_healthchecker");
    let here = run(command(&plugin).arg("-p").arg(&program).args(arguments));
    for applet in ["sh", "awk", "cat", "timeout"] {
        let busybox = run(command("sh").args(["-c", "command -v busybox"])).ok();
        std::os::unix::fs::symlink(busybox.out.trim(), dir.at(applet)).expect("can be made");
    }
    let router = run(command(dir.at("sh"))
        .arg(&plugin)
        .arg("-p")
        .arg(&program)
        .args(arguments)
        .env("PATH", path_with(Some(dir.path()))));
    assert_eq!((&here.out, here.code), (&router.out, router.code));
    assert!(here.out.starts_with("ANYCAST "), "{}{}", here.out, here.err);
    here
}

fn services(rows: &[(&str, &str, bool)]) -> Documents {
    documents(SETTLED, rows)
}

/// Only this text, whatever is asked for.
fn only(text: &str) -> Documents {
    Documents {
        summary: text.to_string(),
        services: Vec::new(),
    }
}

#[test]
fn all_up_is_ok() {
    let done = check(
        &services(&[
            ("www", "up", false),
            ("dns", "up", false),
            ("off", "disabled", false),
        ]),
        0,
        &[],
    )
    .ok();
    assert_eq!(
        done.out,
        "ANYCAST OK - 2 of 2 services up, 1 prefixes announced | up=2;;;0;2 down=0;1;2;0;2 unknown=0 maintenance=0 \
         disabled=1 announced=1 uptime=12s\n"
    );
}

#[test]
fn the_number_of_services_that_are_down_decides() {
    let text = services(&[
        ("a", "up", false),
        ("b", "up", false),
        ("c", "up", false),
        ("d", "down", false),
    ]);
    check(&text, 1, &[])
        .exits(1)
        .says("ANYCAST WARNING - 3 of 4 services up, 1 down");
    check(&text, 1, &["-w", "2"]).exits(0);
    check(&text, 1, &["-c", "1"]).exits(2).says("CRITICAL");
    check(&text, 1, &["-c", "25%"]).exits(2);
    check(&text, 1, &["-c", "26%"]).exits(1);
    check(
        &services(&[("a", "down", false), ("b", "down", false)]),
        1,
        &[],
    )
    .exits(2);
    check(
        &services(&[("a", "unknown", false), ("b", "up", false)]),
        1,
        &[],
    )
    .exits(0)
    .says("1 not known yet");
}

#[test]
fn as_long_as_nothing_is_known_all_is_not_well() {
    let rows = [("a", "unknown", false), ("b", "unknown", false)];
    let mut text = services(&rows);
    check(&text, 1, &[])
        .exits(3)
        .says("ANYCAST UNKNOWN - 0 of 2 services up, 2 not known yet");
    check(&text, 1, &["-S", "b"]).exits(3);
    text.summary = text.summary.replace("\"overdue\":0", "\"overdue\":1");
    check(&text, 1, &[])
        .exits(1)
        .says("2 not known yet, 1 of them overdue");
    // One that is down is down.
    check(&services(&[rows[0], ("c", "down", false)]), 1, &["-c", "1"]).exits(2);
    check(&services(&[("off", "disabled", false)]), 0, &[]).exits(1);
}

#[test]
fn maintenance_is_shown_and_counted_only_if_asked() {
    let text = services(&[("a", "up", false), ("b", "down", true)]);
    check(&text, 1, &[])
        .exits(0)
        .says("1 in maintenance")
        .says("b is in maintenance");
    check(&text, 1, &["-m"]).exits(1);
    check(&services(&[("b", "down", true)]), 1, &[]).exits(0);
}

#[test]
fn one_service_can_be_picked() {
    let text = services(&[("a", "up", false), ("b", "down", false)]);
    check(&text, 1, &["-S", "a"])
        .exits(0)
        .says("1 of 1 services up");
    check(&text, 1, &["-S", "b"]).exits(2);
    check(&text, 1, &["-S", "c"])
        .exits(3)
        .says("there is no service c");
}

#[test]
fn trouble_with_bird_is_critical() {
    let text = documents(&format!("{SETTLED},{TROUBLE}"), &[("a", "up", false)]);
    check(&text, 0, &[])
        .exits(2)
        .says("BIRD, ipv6: bird.conf:7:1 syntax error");
}

#[test]
fn what_is_said_about_a_service_is_harmless_to_the_plugin_protocol() {
    let done = check(&services(&[("q\\\"uo|te\\\\", "down", false)]), 1, &[]).exits(2);
    assert_eq!(
        done.out.lines().nth(1),
        Some(
            "q\"uo/te\\ is down: the last 2 checks failed, status {1}: [x], y tab quote\" pipe/ back\\slash ?[31m"
        )
    );
    assert_eq!(done.out.matches('|').count(), 1);
}

#[test]
fn no_services_is_a_warning() {
    check(&services(&[]), 0, &[])
        .exits(1)
        .says("0 of 0 services up");
}

#[test]
fn a_daemon_that_does_not_answer_is_critical_and_rubbish_is_unknown() {
    check(&only(""), 3, &[]).exits(2).says("no daemon answers");
    check(&only(""), 2, &[])
        .exits(3)
        .says("ended with status 2");
    for rubbish in [
        "",
        "{}",
        "no json at all",
        &services(&[("a", "up", false)]).summary[..300],
    ] {
        check(&only(rubbish), 0, &[])
            .exits(3)
            .says("not a status document");
    }
    for wrong in [
        &["-w", "few"][..],
        &["-c", "1x"],
        &["-t", "soon"],
        &["-x"],
        &["more"],
    ] {
        check(&only(""), 0, wrong).exits(3).says("usage:");
    }
    let plugin = source("contrib/nagios/check_anycast_healthchecker");
    run(command(plugin).args(["-p", "/nonexistent/program"]))
        .exits(3)
        .says("cannot run");
}

#[test]
fn many_services_are_counted_and_few_named() {
    let names: Vec<String> = (0..1000)
        .map(|number| format!("service-{number}.example.com"))
        .collect();
    let rows: Vec<(&str, &str, bool)> = names
        .iter()
        .map(|name| (name.as_str(), "down", false))
        .collect();
    let done = check(&services(&rows), 0, &[])
        .exits(2)
        .says("0 of 1000 services up, 1000 down");
    assert_eq!(done.out.lines().count(), 22);
    assert!(done.out.ends_with("\nand 980 more\n"), "{}", done.out);
}
