use super::*;
use crate::config::CommandLine;
use crate::config::fixture::service_config;

fn service() -> ServiceConfig {
    ServiceConfig {
        check_cmd: CommandLine::of(["/bin/check", "-v"]),
        fall: 3,
        ..service_config("web", &["192.0.2.1/32", "2001:db8::/64"])
    }
}

#[test]
fn the_bound_is_the_configured_one_within_the_table() {
    for (configured, services, expected) in [
        (0, 3, 3),
        (0, 1_000, AT_ONCE),
        (20, 1_000, 20),
        (20, 5, 5),
        (u32::MAX, 1_000, PLACES),
        (u32::MAX, 1, 1),
    ] {
        assert_eq!(wanted_at_once(configured, services), expected);
    }
}

#[test]
fn the_reader_lets_go_of_pipes_that_stay_open() {
    use std::io::Write;
    let (stdout, stdout_of_child) = process::output_pipe().unwrap();
    let (stderr, _stderr_of_child) = process::output_pipe().unwrap();
    let mut writer = std::fs::File::from(stdout_of_child);
    writer.write_all(b"first\nsecond\n").unwrap();
    let (leash, held) = UnixStream::pair().unwrap();
    drop(leash);
    let mut pipes = [Pipe::new(stdout), Pipe::new(stderr)];
    read(&mut pipes, &held);
    let [stdout, stderr] = pipes.map(Pipe::captured);
    assert_eq!(stdout.bytes, b"first\nsecond\n");
    assert_eq!((stderr.bytes.len(), stderr.dropped), (0, 0));
}

#[test]
fn a_missing_address_is_noted_for_each_prefix() {
    let mut addresses = Addresses::default();
    addresses.insert("lo", "192.0.2.1".parse().unwrap());
    let ran = Ran {
        verdict: Verdict::Pass,
        took: Duration::ZERO,
        first_line: String::new(),
    };
    let mut service = service();
    let assigned = row(&service, &addresses, ran.clone()).assigned;
    assert_eq!(assigned, Some(vec![true, false]));
    service.ip_check_disabled = true;
    assert_eq!(row(&service, &addresses, ran).assigned, None);
}

#[test]
fn the_environment_names_service_and_prefixes() {
    let command = command(&service(), &["NOTIFY_SOCKET".into()]);
    let variables: Vec<_> = command.get_envs().collect();
    for expected in [
        ("ANYCAST_SERVICE", Some("web")),
        ("ANYCAST_IP_PREFIX", Some("192.0.2.1/32,2001:db8::/64")),
        ("NOTIFY_SOCKET", None),
    ] {
        let (name, value) = expected;
        assert!(variables.contains(&(name.as_ref(), value.map(AsRef::as_ref))));
    }
    assert_eq!(command.get_program(), "/bin/check");
    assert_eq!(command.get_args().collect::<Vec<_>>(), ["-v"]);
}
