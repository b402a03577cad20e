use super::*;
use crate::config::SyslogFormat;

fn at(seconds: u64) -> Mono {
    Mono::from_micros((100 + seconds) * 1_000_000)
}

fn config(server: &str, port: u16) -> SyslogConfig {
    SyslogConfig {
        server: server.into(),
        port,
        format: SyslogFormat::Rfc5424,
        json: false,
    }
}

fn sink(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    socket
}

fn take(socket: &UdpSocket) -> String {
    let mut buffer = [0u8; 65536];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

fn port(socket: &UdpSocket) -> u16 {
    socket.local_addr().unwrap().port()
}

#[test]
fn one_line_one_datagram_on_both_families() {
    for address in ["127.0.0.1", "::1"] {
        let server = sink(address);
        let mut syslog = Syslog::new(&config(address, port(&server)), at(0));
        assert_eq!(syslog.needs_resolution(at(0)), None);
        syslog.send(at(0), "one");
        syslog.send(at(0), "two");
        assert_eq!(
            (take(&server).as_str(), take(&server).as_str()),
            ("one", "two")
        );
        assert_eq!(syslog.dropped(), 0);
        assert_eq!(syslog.next_deadline(), None);
    }
}

#[test]
fn a_refusing_server_costs_lines_and_the_first_after_its_return_arrives() {
    let server = sink("127.0.0.1");
    let port = port(&server);
    drop(server);
    let mut syslog = Syslog::new(&config("127.0.0.1", port), at(0));
    for second in 0..5 {
        syslog.send(at(second), "nobody hears");
    }
    assert_eq!(syslog.dropped(), 5);
    let news = syslog.take_news();
    assert_eq!(news.len(), 1);
    assert!(
        news[0]
            .cause
            .as_ref()
            .unwrap()
            .starts_with("connection refused")
    );

    let server = UdpSocket::bind(("127.0.0.1", port)).unwrap();
    server
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    syslog.send(at(6), "hello again");
    assert_eq!(take(&server), "hello again");
    assert_eq!(syslog.dropped(), 5);
    syslog.send(at(7), "more");
    assert!(syslog.take_news().is_empty(), "too early to be sure");
    syslog.send(at(40), "later");
    let news = syslog.take_news();
    assert_eq!((news[0].cause.as_deref(), news[0].lost), (None, 5));
}

#[test]
fn the_next_address_of_a_name_is_tried_after_a_refusal() {
    let server = sink("127.0.0.1");
    let port = port(&server);
    let mut syslog = Syslog::new(&config("localhost", port), at(0));
    syslog.send(at(0), "waits for the name");
    syslog.needs_resolution(at(0)).unwrap();
    let names = format!("[::1]:{port}\n127.0.0.9:{port}\n127.0.0.1:{port}\n");
    syslog.resolved(at(0), Ok(&names));
    assert_eq!(take(&server), "waits for the name");
    for second in 1..5 {
        syslog.send(at(second), "line");
        assert_eq!(take(&server), "line");
        // It is looked up again, and the one that answers is kept.
        syslog.look_up_again(at(second));
        syslog.needs_resolution(at(second)).unwrap();
        syslog.resolved(at(second), Ok(&names));
    }
    assert_eq!((syslog.dropped(), syslog.take_news()), (0, Vec::new()));
    drop(server);
    syslog.send(at(6), "nobody hears");
    syslog.send(at(7), "nobody hears");
    assert_eq!((syslog.dropped(), syslog.take_news().len()), (2, 1));
    let server = UdpSocket::bind(("::1", port)).unwrap();
    server
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    syslog.send(at(8), "at the first one now");
    assert_eq!(take(&server), "at the first one now");
    assert_eq!(syslog.dropped(), 2);
}

#[test]
fn lines_wait_for_the_name_and_go_out_late() {
    let server = sink("127.0.0.1");
    let mut syslog = Syslog::new(&config("log.example", port(&server)), at(0));
    for number in 0..MOST_WAITING + 2 {
        syslog.send(at(0), &format!("line {number}"));
    }
    assert_eq!(syslog.dropped(), 2);
    assert_eq!(syslog.next_deadline(), Some(at(0)));
    let wanted = ("log.example".to_string(), port(&server));
    assert_eq!(syslog.needs_resolution(at(0)), Some(wanted.clone()));
    assert_eq!(syslog.needs_resolution(at(0)), None, "one at a time");
    syslog.resolved(at(1), Err("temporary failure".into()));
    let news = syslog.take_news();
    assert_eq!(
        news[0].cause.as_deref(),
        Some("its name cannot be resolved: temporary failure")
    );
    assert_eq!(syslog.next_deadline(), Some(at(2)));
    assert_eq!(syslog.needs_resolution(at(1)), None);
    assert_eq!(syslog.needs_resolution(at(2)), Some(wanted));
    syslog.resolved(at(2), Ok(&format!("127.0.0.1:{}\n", port(&server))));
    assert_eq!(take(&server), "line 2");
    assert_eq!(syslog.next_deadline(), None);
    assert_eq!(syslog.needs_resolution(at(500)), None);
}

#[test]
fn a_name_that_moves_is_followed_and_one_that_stays_keeps_its_socket() {
    let (old, new) = (sink("127.0.0.1"), sink("::1"));
    let mut syslog = Syslog::new(&config("log.example", 1), at(0));
    syslog.needs_resolution(at(0)).unwrap();
    let old_text = old.local_addr().unwrap().to_string();
    syslog.resolved(at(0), Ok(&old_text));
    let before = syslog.socket.as_ref().unwrap().local_addr().unwrap();
    syslog.look_up_again(at(1));
    syslog.needs_resolution(at(1)).unwrap();
    syslog.resolved(at(1), Ok(&old_text));
    assert_eq!(
        syslog.socket.as_ref().unwrap().local_addr().unwrap(),
        before
    );
    syslog.look_up_again(at(2));
    syslog.needs_resolution(at(2)).unwrap();
    syslog.resolved(at(2), Ok(&new.local_addr().unwrap().to_string()));
    syslog.send(at(2), "moved");
    assert_eq!(take(&new), "moved");
}

#[test]
fn an_unreachable_server_keeps_lines_and_is_tried_with_a_growing_pause() {
    // 255.255.255.255 is refused without SO_BROADCAST, as a stand-in for a network without a route.
    let mut syslog = Syslog::new(&config("255.255.255.255", 9), at(0));
    syslog.send(at(0), "kept");
    let news = syslog.take_news();
    assert_eq!(news[0].cause.as_deref(), Some("Permission denied"));
    assert_eq!(syslog.next_deadline(), Some(at(1)));
    syslog.tick(at(1));
    assert_eq!(syslog.next_deadline(), Some(at(3)));
    syslog.tick(at(3));
    assert_eq!(syslog.next_deadline(), Some(at(7)));
    assert_eq!(syslog.dropped(), 0);
}

#[test]
fn the_answer_of_the_one_shot_is_read_with_scope_and_bound() {
    let text =
        "192.0.2.1:514\n[fe80::1%2]:514\nnonsense\n".to_string() + &"192.0.2.2:514\n".repeat(20);
    let found = read_addresses(&text);
    assert_eq!(found.len(), MOST_ADDRESSES);
    assert_eq!(found[1].to_string(), "[fe80::1%2]:514");
    assert!(resolve("127.0.0.1", 514).unwrap()[0].is_ipv4());
    let server = sink("127.0.0.1");
    send_last(&config("127.0.0.1", port(&server)), "the end");
    assert_eq!(take(&server), "the end");
}
