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

/// Takes in who has come, and serves at this moment, in which no time passes.
fn turn(
    server: &mut StatusSocket,
    now: Mono,
    make: &mut dyn FnMut(&mut Cursor, &mut String) -> Piece,
) -> usize {
    server.ready(now);
    server.serve(now, &|| now, make)
}

fn says(text: &str) -> impl FnMut(&mut Cursor, &mut String) -> Piece {
    move |_, out| {
        out.push_str(text);
        Piece::Last
    }
}

/// Pieces of 64 KiB without end.
fn endless(_: &mut Cursor, out: &mut String) -> Piece {
    out.extend(std::iter::repeat_n('x', 64 * 1024));
    Piece::More
}

fn nobody(_: &mut Cursor, _: &mut String) -> Piece {
    panic!("nobody has come")
}

#[test]
fn each_connection_gets_the_document_and_the_end() {
    let name = name();
    let mut server = StatusSocket::named(&name, at(0));
    assert_eq!(server.fds(at(0)).count(), 1);
    let (one, mut two) = (connect(&name), connect(&name));
    two.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(turn(&mut server, at(0), &mut says("{}")), 2);
    assert_eq!((read(one), read(two)), (b"{}".to_vec(), b"{}".to_vec()));
    assert_eq!(server.next_deadline(at(1)), None);
    assert_eq!(turn(&mut server, at(2), &mut nobody), 0);
}

#[test]
fn a_large_document_is_made_as_the_client_reads() {
    let name = name();
    let mut server = StatusSocket::named(&name, at(0));
    let client = connect(&name);
    assert_eq!(turn(&mut server, at(0), &mut endless), 1);
    // It has not read: nothing is made for it, and nothing wakes the loop but its time.
    assert_eq!(server.fds(at(0)).filter(|(_, writing)| *writing).count(), 1);
    assert_eq!(server.next_deadline(at(0)), Some(at(5000)));
    assert_eq!(turn(&mut server, at(1), &mut nobody), 0);
    let reader = thread::spawn(move || read(client));
    let mut left = 100;
    while !server.clients.is_empty() {
        turn(&mut server, at(1), &mut |_, out| {
            left -= 1;
            out.extend(std::iter::repeat_n('y', 64 * 1024));
            match left {
                0 => Piece::Last,
                _ => Piece::More,
            }
        });
        thread::yield_now();
    }
    let document = reader.join().unwrap();
    let made = document.iter().filter(|byte| **byte == b'y').count();
    assert_eq!(made, 100 * 64 * 1024);
}

#[test]
fn a_document_that_a_reload_ends_is_closed() {
    let name = name();
    let mut server = StatusSocket::named(&name, at(0));
    let client = connect(&name);
    let mut pieces = 0;
    turn(&mut server, at(0), &mut |_, out| {
        pieces += 1;
        if pieces == 2 {
            return Piece::Outdated;
        }
        out.push_str("{\"program\":");
        Piece::More
    });
    assert_eq!((read(client), pieces), (b"{\"program\":".to_vec(), 2));
}

/// Each piece takes two milliseconds, and there are always clients.
#[test]
fn documents_have_their_share_of_the_time_and_everybody_gets_one() {
    let name = name();
    let mut server = StatusSocket::named(&name, at(0));
    let clock = std::cell::Cell::new(0);
    let (mut worked, mut answered) = (0, 0);
    let mut clients: Vec<UnixStream> = Vec::new();
    while clock.get() < 10_000 {
        clients.resize_with(40, || connect(&name));
        let begin = clock.get();
        server.ready(at(begin));
        assert!(server.clients.len() <= MOST_CLIENTS);
        server.serve(at(begin), &|| at(clock.get()), &mut |_, out| {
            clock.set(clock.get() + 2);
            out.push_str("{}");
            Piece::Last
        });
        let slice = clock.get() - begin;
        assert!(slice <= 6, "{slice} ms");
        worked += slice;
        clients.retain_mut(|client| {
            client.set_nonblocking(true).unwrap();
            let open = client.read(&mut [0; 9]).is_err();
            answered += u32::from(!open);
            open
        });
        // A turn has other things to do.
        let free = server.next_deadline(at(clock.get())).unwrap().since(at(0));
        clock.set((clock.get() + 1).max(free.as_millis() as u64));
    }
    assert!((2000..=2700).contains(&worked), "{worked} of 10,000 ms");
    assert!(u64::from(answered) >= worked / 2 - 40, "{answered} answers");
}

#[test]
fn clients_that_never_read_are_bounded_in_number_and_time_and_make_way() {
    let name = name();
    let mut server = StatusSocket::named(&name, at(0));
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(connect(&name));
        turn(&mut server, at(0), &mut endless);
    }
    assert_eq!(server.clients.len(), MOST_CLIENTS);
    let good = connect(&name);
    assert_eq!(turn(&mut server, at(1), &mut says("{}")), 1);
    assert_eq!(read(good), b"{}");
    server.tick(at(4999));
    assert_eq!(server.clients.len(), MOST_CLIENTS - 1);
    server.tick(at(5000));
    assert_eq!(
        (server.clients.len(), server.next_deadline(at(5000))),
        (0, None)
    );
}

#[test]
fn a_client_that_drips_leaves_at_last() {
    let name = name();
    let mut server = StatusSocket::named(&name, at(0));
    let mut client = connect(&name);
    let mut buffer = vec![0; 512 * 1024];
    for second in 0..60 {
        turn(&mut server, at(second * 1000), &mut endless);
        server.tick(at(second * 1000));
        assert_eq!(server.clients.len(), 1, "after {second} s");
        // Enough for the daemon to see that it reads.
        client.read_exact(&mut buffer[..64 * 1024]).unwrap();
    }
    server.tick(at(60_000));
    assert!(server.clients.is_empty());
}

#[test]
fn one_turn_accepts_a_few_and_one_second_a_bounded_number() {
    let name = name();
    let mut server = StatusSocket::named(&name, at(0));
    let _idle: Vec<UnixStream> = (0..40).map(|_| connect(&name)).collect();
    turn(&mut server, at(0), &mut endless);
    assert_eq!(server.clients.len(), MOST_ACCEPTS);
    server.clients.clear();

    let mut millis = 1;
    while server.next_deadline(at(millis)) != Some(at(1000)) {
        let _client = connect(&name);
        turn(&mut server, at(millis), &mut says("{}"));
        millis += 1;
        assert!(millis < 1000, "there was no bound");
    }
    assert_eq!(server.fds(at(millis)).count(), 0);
    let waiting = connect(&name);
    turn(&mut server, at(millis), &mut nobody);
    assert_eq!(server.fds(at(1000)).count(), 1);
    turn(&mut server, at(1000), &mut says("{next}"));
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
    turn(&mut server, at(0), &mut says("{}"));
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
    let limits = Limits {
        step: Duration::from_millis(50),
        whole: LIMIT,
    };
    let ask = |believe: bool| ask_at(&name, Extent::Whole, limits, move |_| believe);
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
    let limits = Limits {
        step: LIMIT,
        whole: LIMIT,
    };
    let asker = {
        let name = name.clone();
        thread::spawn(move || ask_at(&name, Extent::Whole, limits, |_| true))
    };
    while !asker.is_finished() {
        turn(&mut server, at(0), &mut says("{}"));
        thread::yield_now();
    }
    assert_eq!(asker.join().unwrap().unwrap(), b"{}");
}

/// A listener that does this with each of its clients, one after the other; then the asker's outcome.
fn asked(
    extent: Extent,
    limits: Limits,
    serve: impl Fn(usize, UnixStream) + Send + 'static,
) -> Result<Vec<u8>, NoAnswer> {
    let name = name();
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap());
    let listener = listener.unwrap();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            serve(number, stream.unwrap());
        }
    });
    ask_at(&name, extent, limits, |_| true)
}

#[test]
fn a_daemon_that_drips_does_not_hold_the_client() {
    let limits = Limits {
        step: LIMIT,
        whole: Duration::from_millis(300),
    };
    let begin = clock::now().mono;
    let outcome = asked(Extent::Whole, limits, |_, mut stream| {
        while stream.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    });
    match outcome {
        Err(NoAnswer::Broken(cause)) => assert_eq!(cause, "it does not respond in time"),
        other => panic!("{other:?}"),
    }
    assert!(
        clock::now().mono.since(begin) < LIMIT,
        "no step of it was too long"
    );
}

#[test]
fn an_answer_that_is_cut_short_is_asked_for_again() {
    let limits = Limits {
        step: LIMIT,
        whole: LIMIT,
    };
    let cut = b"{\"program\":\"x\",\"services\":[{";
    let outcome = asked(Extent::Whole, limits, move |number, mut stream| {
        let answer: &[u8] = match number {
            0..=2 => cut,
            _ => b"{\"program\":\"x\",\"services\":[]}\n",
        };
        stream.write_all(answer).unwrap();
    });
    assert!(outcome.unwrap().ends_with(b"[]}\n"));
    let outcome = asked(Extent::Whole, limits, move |_, mut stream| {
        stream.write_all(cut).unwrap();
    });
    assert_eq!(outcome.unwrap(), cut, "not for ever");
}

#[test]
fn the_head_is_taken_without_waiting_for_the_rest() {
    let limits = Limits {
        step: LIMIT,
        whole: LIMIT,
    };
    let outcome = asked(Extent::Head, limits, |_, mut stream| {
        stream
            .write_all(b"{\"program\":\"x\",\"services\":[{\"name\":\"a")
            .unwrap();
        // It stays open: what comes of the client's leaving is the end.
        let _ = stream.read(&mut [0]);
    });
    assert_eq!(outcome.unwrap(), b"{\"program\":\"x\",\"services\":[]}\n");
}
