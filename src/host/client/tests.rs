use super::*;
use crate::host::test_dir::TestDir;
use crate::render::status::parse;

fn document() -> Document {
    let family = |name: &str, settled: bool| {
        format!(
            r#"{{"family":"{name}","settled":{settled},"trouble":null,"advertised":1,"reconfigured":1,
            "reconfigure_failed":0,"last_reconfigure_ms":null,"files_written":1,"file_failures":0}}"#
        )
    };
    let service = |name: &str, state: &str, maintenance: bool, prefixes: &str| {
        format!(
            r#"{{"name":"{name}","prefixes":[{prefixes}],"status":"{state}","cause":"","reason":"","since":"","since_unix":0,
            "since_seconds":0.0,"last":null,"next_run_in_seconds":null,"running":false,
            "maintenance":{maintenance},"disabled":false,
            "checks":{{"passed":0,"failed":0,"timed_out":0,"not_started":0}},"changes":0}}"#
        )
    };
    let prefix = |prefix: &str, advertised: bool| {
        format!(r#"{{"prefix":"{prefix}","assigned":null,"advertised":{advertised}}}"#)
    };
    let both = format!(
        "{},{}",
        prefix("192.0.2.1/32", false),
        prefix("2001:db8::1/128", true)
    );
    let text = format!(
        r#"{{"program":"p","version":"1","pid":1,"started":"","started_unix":0,"uptime_seconds":1.0,
        "summary":{{"services":2,"up":1,"down":1,"unknown":0,"disabled":0,"maintenance":1,"overdue":0}},
        "families":[{},{}],"services":[{},{}],"checks_running":0,"checks_waiting":0,
        "config":{{"loaded":"","loaded_unix":0,"reloads":0,"reloads_refused":0}},
        "log_lines_dropped":0,"metrics_write_failures":0,"history_write_failures":0,"problems":[]}}"#,
        family("ipv4", true),
        family("ipv6", false),
        service("web", "up", false, &prefix("192.0.2.9/32", true)),
        service("both", "down", true, &both),
    );
    parse(&text).unwrap()
}

fn told() -> Result<Told, String> {
    Ok(Told {
        text: String::new(),
        document: document(),
    })
}

#[test]
fn an_answer_is_about_the_service_and_its_families() {
    let web = Observed {
        state: "up".to_string(),
        maintenance: false,
        advertised: true,
        settled: true,
    };
    assert_eq!(answer(told(), "web"), Answer::Service(web));
    // One prefix that is still announced is enough, and one family that is not settled.
    let both = Observed {
        state: "down".to_string(),
        maintenance: true,
        advertised: true,
        settled: false,
    };
    assert_eq!(answer(told(), "both"), Answer::Service(both));
    assert_eq!(answer(told(), "we"), Answer::NoSuchService);
    let cause = "nobody".to_string();
    assert_eq!(answer(Err(cause.clone()), "web"), Answer::NoDaemon(cause));
}

#[test]
fn only_a_file_in_its_own_place_says_whom_to_believe() {
    let dir = TestDir::new();
    let (file, link) = (dir.join("pid"), dir.join("link"));
    assert_eq!(owner(&file), None);
    fs::write(&file, "1\n").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let own = fs::metadata(&file).unwrap().uid();
    assert_eq!(owner(&file), Some(own));
    assert_eq!(owner(&link), None);
    assert_eq!(owner(dir.path()), None);
}

#[test]
fn who_is_drained_as_well_is_said_harmlessly() {
    let others = ["a".to_string(), "b\x1b".to_string()];
    assert_eq!(
        shared(Path::new("/run/\ndrain"), &others),
        "/run/\\ndrain is the maintenance file of a, b\\u{1b} as well"
    );
}
