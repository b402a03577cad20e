use super::*;
use crate::config::fixture::log_config;
use crate::host::test_dir::TestDir;
use crate::host::writer::perform_here;
use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

const NOW: Mono = Mono::from_micros(50_000_000);

/// Has what waits for files written, as the writer would.
fn flush(sinks: &mut Sinks) {
    let mut replies = Vec::new();
    for (lane, queue) in sinks.queues() {
        if queue.wants_writer() {
            queue.hand_over(|request| replies.push((lane, perform_here(request))));
        }
    }
    for (lane, reply) in replies {
        sinks.written(NOW, lane, &reply);
    }
}

fn server() -> (UdpSocket, SyslogConfig) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let config = SyslogConfig {
        server: "127.0.0.1".into(),
        port: socket.local_addr().unwrap().port(),
        format: SyslogFormat::Rfc3164,
        json: true,
    };
    (socket, config)
}

fn take(socket: &UdpSocket) -> String {
    let mut buffer = [0u8; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn every_destination_gets_its_form_and_stdout_only_without_others() {
    let dir = TestDir::new();
    let (socket, syslog) = server();
    let config = LogConfig {
        file: Some(dir.join("log")),
        json_file: true,
        syslog: Some(syslog),
        ..log_config()
    };
    let mut sinks = Sinks::new(&config, NOW);
    assert!(sinks.stdout.is_none());
    let mut asked = Vec::new();
    sinks.write(Level::Info, NOW, |form| {
        asked.push(form);
        format!("{form:?}")
    });
    let datagram = Form::Syslog {
        format: SyslogFormat::Rfc3164,
        json: true,
    };
    assert_eq!(asked, [Form::Json, datagram]);
    flush(&mut sinks);
    assert_eq!(fs::read_to_string(dir.join("log")).unwrap(), "Json\n");
    assert_eq!(take(&socket), format!("{datagram:?}"));
    assert_eq!((sinks.dropped(), sinks.take_news()), (0, Vec::new()));

    for (json_stdout, journal, form) in [
        (false, false, Form::Text),
        (false, true, Form::Journal),
        (true, true, Form::Json),
    ] {
        let config = LogConfig {
            json_stdout,
            journal,
            ..log_config()
        };
        let sinks = Sinks::new(&config, NOW);
        assert_eq!(sinks.stdout.as_ref().map(|(_, form)| *form), Some(form));
    }
}

#[test]
fn what_is_below_the_level_is_not_even_made() {
    let dir = TestDir::new();
    let config = LogConfig {
        level: Level::Warning,
        file: Some(dir.join("log")),
        ..log_config()
    };
    let mut sinks = Sinks::new(&config, NOW);
    assert!(!sinks.wants(Level::Info) && sinks.wants(Level::Critical));
    sinks.write(Level::Info, NOW, |_| panic!("not wanted"));
    sinks.write(Level::Warning, NOW, |_| "kept".into());
    flush(&mut sinks);
    assert_eq!(fs::read_to_string(dir.join("log")).unwrap(), "kept\n");
}

#[test]
fn one_broken_sink_does_not_touch_the_other() {
    let dir = TestDir::new();
    let (socket, syslog) = server();
    let config = LogConfig {
        file: Some(dir.join("none/log")),
        syslog: Some(syslog),
        ..log_config()
    };
    let mut sinks = Sinks::new(&config, NOW);
    flush(&mut sinks);
    let news = sinks.take_news();
    assert_eq!(
        (news.len(), &news[0].part),
        (1, &Part::LogFile(dir.join("none/log")))
    );
    sinks.write(Level::Info, NOW, |_| "line".into());
    assert_eq!(take(&socket), "line");
    flush(&mut sinks);
    assert_eq!(sinks.dropped(), 1);
    assert!(sinks.take_news().is_empty());
}

#[test]
fn a_reload_keeps_and_changes_and_forgets() {
    let dir = TestDir::new();
    let (socket, syslog) = server();
    let mut config = LogConfig {
        file: Some(dir.join("one")),
        ..log_config()
    };
    let mut sinks = Sinks::new(&config, NOW);
    sinks.write(Level::Info, NOW, |_| "1".into());
    flush(&mut sinks);
    fs::rename(dir.join("one"), dir.join("old")).unwrap();
    sinks.reconfigure(&config, NOW);
    sinks.write(Level::Info, NOW, |_| "2".into());
    flush(&mut sinks);
    assert_eq!(fs::read_to_string(dir.join("one")).unwrap(), "2\n");
    config.file = Some(dir.join("two"));
    config.syslog = Some(syslog);
    config.level = Level::Debug;
    sinks.reconfigure(&config, NOW);
    sinks.write(Level::Debug, NOW, |_| "3".into());
    flush(&mut sinks);
    assert_eq!(fs::read_to_string(dir.join("two")).unwrap(), "3\n");
    assert_eq!(fs::read_to_string(dir.join("one")).unwrap(), "2\n");
    assert_eq!(take(&socket), "3");
    config.file = None;
    sinks.reconfigure(&config, NOW);
    sinks.write(Level::Debug, NOW, |_| "4".into());
    flush(&mut sinks);
    assert_eq!(take(&socket), "4");
    assert_eq!(fs::read_to_string(dir.join("two")).unwrap(), "3\n");
    assert_eq!(sinks.dropped(), 0);
}
