use super::*;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

fn at(millis: u64) -> Mono {
    Mono::from_micros(5_000_000 + millis * 1000)
}

fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("ahc-test-status-{}-{number}", process::id())
}

const LIMIT: Duration = Duration::from_secs(5);

fn connect(name: &str) -> UnixStream {
    let stream = peer::connect_abstract(name.as_bytes(), LIMIT).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

fn read(mut stream: UnixStream) -> Vec<u8> {
    let mut document = Vec::new();
    stream.read_to_end(&mut document).unwrap();
    document
}

#[test]
fn each_connection_gets_the_document_and_the_end() {
    let name = name();
    let mut server = StatusSocket::named(&name, at(0));
    assert_eq!(server.fds(at(0)).count(), 1);
    let (one, mut two) = (connect(&name), connect(&name));
    two.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut made = 0;
    server.ready(at(0), &mut || {
        made += 1;
        "{}".into()
    });
    assert_eq!((read(one), read(two)), (b"{}".to_vec(), b"{}".to_vec()));
    assert_eq!(made, 1, "one document for one turn");
    let three = connect(&name);
    server.ready(at(1), &mut || "{new}".into());
    assert_eq!(read(three), b"{new}");
    assert_eq!(server.next_deadline(at(1)), None);
    server.ready(at(2), &mut || panic!("nobody has come"));
}

#[test]
fn a_large_document_goes_as_far_as_the_client_reads() {
    let name = name();
    let mut server = StatusSocket::named(&name, at(0));
    let large = "x".repeat(3_000_000);
    let client = connect(&name);
    server.ready(at(0), &mut || large.clone());
    assert_eq!(server.fds(at(0)).filter(|(_, writing)| *writing).count(), 1);
    assert_eq!(server.next_deadline(at(0)), Some(at(5000)));
    let reader = thread::spawn(move || read(client));
    while server.fds(at(1)).any(|(_, writing)| writing) {
        server.ready(at(1), &mut || panic!("nobody new has come"));
        thread::yield_now();
    }
    assert_eq!(reader.join().unwrap().len(), large.len());
}

#[test]
fn clients_that_never_read_are_bounded_in_number_and_time() {
    let name = name();
    let mut server = StatusSocket::named(&name, at(0));
    let large = "x".repeat(3_000_000);
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(connect(&name));
        server.ready(at(0), &mut || large.clone());
    }
    assert_eq!(server.clients.len(), MOST_CLIENTS);
    server.tick(at(4999));
    assert_eq!(server.clients.len(), MOST_CLIENTS);
    server.tick(at(5000));
    assert_eq!(
        (server.clients.len(), server.next_deadline(at(5000))),
        (0, None)
    );
}

#[test]
fn one_turn_accepts_a_few_and_one_second_a_bounded_number() {
    let name = name();
    let mut server = StatusSocket::named(&name, at(0));
    let _idle: Vec<UnixStream> = (0..40).map(|_| connect(&name)).collect();
    server.ready(at(0), &mut || "x".repeat(3_000_000));
    assert_eq!(server.clients.len(), MOST_ACCEPTS);

    let mut made = 0;
    let mut millis = 1;
    while server.next_deadline(at(millis)) != Some(at(1000)) {
        let _client = connect(&name);
        server.ready(at(millis), &mut || {
            made += 1;
            "{}".into()
        });
        millis += 1;
        server.clients.clear();
        assert!(millis < 1000, "there was no bound");
    }
    assert_eq!(made, MOST_DOCUMENTS_A_SECOND as usize - 1);
    assert_eq!(server.fds(at(millis)).count(), 0);
    let waiting = connect(&name);
    server.ready(at(millis), &mut || panic!("not before the second is over"));
    assert_eq!(server.fds(at(1000)).count(), 1);
    server.ready(at(1000), &mut || "{next}".into());
    assert_eq!(read(waiting), b"{next}");
}

#[test]
fn a_client_that_talks_or_leaves_costs_nothing() {
    let name = name();
    let mut server = StatusSocket::named(&name, at(0));
    let mut loud = connect(&name);
    loud.set_nonblocking(true).unwrap();
    while loud.write(&[0u8; 4096]).is_ok() {}
    drop(connect(&name));
    let good = connect(&name);
    server.ready(at(0), &mut || "{}".into());
    assert_eq!(read(good), b"{}");
    assert!(server.clients.is_empty());
}

#[test]
fn a_name_that_is_taken_is_tried_again() {
    let name = name();
    let squatter = listen(&name).unwrap();
    let mut server = StatusSocket::named(&name, at(0));
    assert!(
        server.take_news()[0]
            .cause
            .as_ref()
            .unwrap()
            .contains("another process")
    );
    assert_eq!(server.next_deadline(at(0)), Some(at(10_000)));
    server.tick(at(10_000));
    assert!(server.take_news().is_empty(), "said once");
    drop(squatter);
    server.tick(at(20_000));
    assert_eq!(server.take_news()[0].cause, None);
    assert_eq!(server.fds(at(20_000)).count(), 1);
}

#[test]
fn the_client_knows_whom_to_believe_and_when_to_give_up() {
    let name = name();
    let ask = |believe: bool| ask_at(&name, Duration::from_millis(50), move |_| believe);
    assert!(matches!(ask(true), Err(NoAnswer::NoDaemon)));
    let mut server = StatusSocket::named(&name, at(0));
    match ask(false) {
        Err(NoAnswer::Untrusted { uid }) => {
            assert_eq!(uid, crate::host::sys::process::effective_uid())
        }
        other => panic!("{other:?}"),
    }
    match ask(true) {
        Err(NoAnswer::Broken(cause)) => assert_eq!(cause, "it does not respond in time"),
        other => panic!("{other:?}"),
    }
    server.ready(at(0), &mut || "{}".into());
    let asker = {
        let name = name.clone();
        thread::spawn(move || ask_at(&name, LIMIT, |_| true))
    };
    while !asker.is_finished() {
        server.ready(at(0), &mut || "{}".into());
        thread::yield_now();
    }
    assert_eq!(asker.join().unwrap().unwrap(), b"{}");
}
