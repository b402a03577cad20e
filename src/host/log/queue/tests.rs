use super::*;
use crate::host::log::Report;
use std::io::ErrorKind;

const NOW: Mono = Mono::from_micros(50_000_000);

fn later(seconds: u64) -> Mono {
    NOW + std::time::Duration::from_secs(seconds)
}

/// The lines that are handed over, and whether the file is to be opened anew.
fn taken(queue: &mut Queue) -> (String, bool) {
    let mut taken = None;
    queue.hand_over(|request| match request {
        Request::Append { lines, reopen, .. } => {
            taken = Some((String::from_utf8(lines.to_vec()).unwrap(), *reopen));
        }
        other => panic!("not a request to append: {other:?}"),
    });
    taken.unwrap()
}

fn report(lost: u32, cause: Option<&str>, works: bool) -> Reply {
    let cause = cause.map(str::to_string);
    Ok(crate::host::writer::encode_report(&Report {
        lost,
        cause,
        works,
    }))
}

#[test]
fn lines_come_together_and_a_file_is_opened_without_any() {
    let mut queue = Queue::to_file(false, Path::new("/log"), 0, 0);
    assert!(queue.wants_writer());
    assert_eq!(taken(&mut queue), (String::new(), true));
    assert!(!queue.wants_writer());
    queue.line("one");
    queue.line("two");
    assert_eq!(queue.written(NOW, &report(0, None, false)), Ok(()));
    assert_eq!(taken(&mut queue), ("one\ntwo\n".to_string(), false));
    queue.line("three");
    assert_eq!(queue.written(NOW, &report(0, None, true)), Ok(()));
    queue.reopen(Path::new("/log"), 5, 1);
    assert_eq!(taken(&mut queue), ("three\n".to_string(), true));
    assert!((queue.dropped(), queue.take_news()) == (0, Vec::new()));
    assert!(!Queue::to_inherited(true).wants_writer());
}

#[test]
fn what_is_lost_is_counted_and_said_once() {
    let mut queue = Queue::to_file(false, Path::new("/log"), 0, 0);
    for _ in 0..3 {
        queue.line("x");
    }
    taken(&mut queue);
    let no_answer = Err((ErrorKind::TimedOut, "no answer".to_string()));
    assert_eq!(queue.written(NOW, &no_answer), Err("no answer".to_string()));
    assert_eq!(queue.dropped(), 3, "who knows whether they are there");
    queue.line("y");
    taken(&mut queue);
    let full = report(1, Some("full"), false);
    assert_eq!(queue.written(later(1), &full), Err("full".to_string()));
    assert_eq!(queue.dropped(), 4);
    let news = queue.take_news();
    assert_eq!(
        (news.len(), news[0].cause.as_deref()),
        (1, Some("no answer"))
    );
    queue.line("z");
    taken(&mut queue);
    assert_eq!(queue.written(later(3), &report(0, None, true)), Ok(()));
    let news = queue.take_news();
    assert_eq!((news.len(), &news[0].cause, news[0].lost), (1, &None, 4));
}

#[test]
fn a_file_that_takes_nothing_costs_lines_beyond_the_bound_and_no_memory() {
    let mut queue = Queue::to_file(false, Path::new("/log"), 0, 0);
    let line = "x".repeat(1023);
    let fit = MAX_QUEUE / 1024;
    for _ in 0..fit + 10 {
        queue.line(&line);
    }
    assert_eq!(queue.dropped(), 10);
    assert_eq!(taken(&mut queue).0.len(), MAX_QUEUE);
    queue.line("again");
    assert_eq!(queue.dropped(), 10);
}
