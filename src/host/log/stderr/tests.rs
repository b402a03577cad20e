use super::*;
use crate::config::SyslogFormat;
use crate::config::fixture::log_config;
use crate::host::test_dir::TestDir;
use std::env;
use std::fs;
use std::process::{Command, Output};

/// Tells a copy of the test program which part to play; fd 2 and the panic hook belong to a whole process.
const ROLE: &str = "AHC_TEST_STDERR_ROLE";
const WHERE: &str = "AHC_TEST_STDERR_WHERE";

fn play(role: &str, place: &str) -> Output {
    Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "host::log::stderr::tests::actor",
            "--nocapture",
            "-q",
        ])
        .env(ROLE, role)
        .env(WHERE, place)
        .output()
        .unwrap()
}

/// No test by itself: what the copy does.
#[test]
fn actor() {
    let Ok(role) = env::var(ROLE) else {
        return;
    };
    let place = env::var(WHERE).unwrap();
    match role.as_str() {
        "redirect" => {
            let mut stderr = Stderr::default();
            say("before");
            stderr.lead_to(Some(Path::new(&place)), Mono::default());
            say("inside");
            stderr.lead_to(Some(Path::new("/nonexistent/file")), Mono::default());
            assert!(
                stderr.take_news()[0]
                    .cause
                    .as_ref()
                    .unwrap()
                    .starts_with("standard error cannot go there: ")
            );
            say("still inside");
            stderr.lead_to(None, Mono::default());
            say("after");
        }
        "panic" => {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(&place).unwrap();
            set_last_socket(Some(socket));
            hook_panics(|text| format!("<10>{text}"));
            panic!("first\nsecond {}", 7);
        }
        "last words" => {
            let (server, port) = place.split_once(':').unwrap();
            last_words(
                &config(server, port.parse().unwrap()),
                "the lock is taken",
                |_| "<11>taken".into(),
            );
        }
        other => panic!("no such role: {other}"),
    }
}

fn config(server: &str, port: u16) -> LogConfig {
    LogConfig {
        syslog: Some(SyslogConfig {
            server: server.into(),
            port,
            format: SyslogFormat::Rfc5424,
            json: false,
        }),
        stderr_to_syslog: true,
        ..log_config()
    }
}

fn server() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

fn take(socket: &UdpSocket) -> String {
    let mut buffer = [0u8; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn stderr_is_led_to_a_file_and_back() {
    let dir = TestDir::new();
    let path = dir.join("errors");
    let output = play("redirect", path.to_str().unwrap());
    assert!(output.status.success());
    assert_eq!(fs::read_to_string(&path).unwrap(), "inside\nstill inside\n");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "before\nafter\n");
}

#[test]
fn a_panic_says_one_line_and_sends_it() {
    let (socket, address) = server();
    let output = play("panic", &address);
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    let line = text.lines().next().unwrap();
    assert!(
        line.starts_with("anycast-healthchecker: programming error at src/host/"),
        "{line}"
    );
    assert!(line.ends_with(": first\\nsecond 7"), "{line}");
    assert_eq!(take(&socket), format!("<10>{line}"));
}

#[test]
fn last_words_reach_stderr_and_the_server() {
    let (socket, address) = server();
    let output = play("last words", &address);
    assert_eq!(output.stderr, b"the lock is taken\n");
    assert_eq!(take(&socket), "<11>taken");
}

#[test]
fn one_line_stays_one_line() {
    assert_eq!(on_one_line("a\nb\u{1b}[31m é"), "a\\nb\\u{1b}[31m é");
}
