use std::os::unix::net::UnixListener;
use std::time::Duration;

use super::*;
use crate::host::disk::tests::Dir;
use crate::host::sys::poll::{Interest, PollSet};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

struct Bird {
    _dir: Dir,
    talk: Conversation,
    bird: UnixStream,
    heard: Vec<u8>,
}

impl Bird {
    fn connected() -> Bird {
        let dir = Dir::new("bird");
        let path = dir.path().join("bird.ctl");
        let listener = UnixListener::bind(&path).unwrap();
        let talk = Conversation::start(&path).unwrap();
        let (bird, _) = listener.accept().unwrap();
        Bird {
            _dir: dir,
            talk,
            bird,
            heard: Vec::new(),
        }
    }

    /// One turn of the loop: the verdict is the last byte, once it is a full stop.
    fn turn(&mut self) -> Result<Option<u8>, String> {
        let mut set = PollSet::default();
        set.add(self.talk.fd(), Interest::Read);
        assert_eq!(set.wait(Some(PATIENCE)).unwrap(), 1);
        self.talk.readable(|bytes| {
            self.heard.extend_from_slice(bytes);
            bytes.last().copied().filter(|&last| last == b'.')
        })
    }

    fn say(&mut self, text: &str) {
        self.bird.write_all(text.as_bytes()).unwrap();
    }

    /// What has been sent to BIRD by now.
    fn asked(&mut self) -> Vec<u8> {
        self.bird.set_nonblocking(true).unwrap();
        let mut buffer = [0; 100];
        let length = self.bird.read(&mut buffer).unwrap_or(0);
        self.bird.set_nonblocking(false).unwrap();
        buffer[..length].to_vec()
    }
}

#[test]
fn the_command_follows_the_greeting_and_is_sent_once() {
    let mut bird = Bird::connected();
    bird.say("0001 BIRD");
    assert_eq!(bird.turn(), Ok(None));
    assert_eq!(bird.asked(), b"");
    bird.say(" 2.0.12 ready.\r\n");
    assert_eq!(bird.turn(), Ok(None));
    assert_eq!(bird.asked(), b"configure\n");
    bird.say("0002-Reading\n");
    assert_eq!(bird.turn(), Ok(None));
    bird.say("0003 Reconfigured.");
    assert_eq!(bird.turn(), Ok(Some(b'.')));
    assert_eq!(bird.asked(), b"");
    assert_eq!(
        bird.heard,
        b"0001 BIRD 2.0.12 ready.\r\n0002-Reading\n0003 Reconfigured."
    );
}

#[test]
fn an_early_end_is_an_error() {
    let mut bird = Bird::connected();
    bird.say("0001 BIRD 2.0.12 ready.\n");
    assert_eq!(bird.turn(), Ok(None));
    assert_eq!(bird.asked(), b"configure\n");
    bird.bird.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(bird.turn(), Err("BIRD closed the connection".to_string()));
}

#[test]
fn an_answer_without_end_is_an_error() {
    let mut bird = Bird::connected();
    for _ in 0..=REPLY_MAX / 1000 {
        bird.say(&"x".repeat(1000));
        match bird.turn() {
            Ok(verdict) => assert_eq!(verdict, None),
            Err(error) => {
                assert!(error.contains("longer than"), "{error}");
                assert!(bird.heard.len() > REPLY_MAX);
                return;
            }
        }
    }
    panic!("{} bytes were taken", bird.heard.len());
}

#[test]
fn what_is_wrong_with_the_socket_is_said() {
    let dir = Dir::new("bird");
    let path = dir.path().join("bird.ctl");
    let error = |path: &Path| Conversation::start(path).err().unwrap();
    assert!(error(&path).ends_with("(is BIRD running?)"));
    drop(UnixListener::bind(&path).unwrap());
    assert!(error(&path).contains("refused (is BIRD running?)"));
    let long = dir.path().join("x".repeat(108));
    assert!(error(&long).contains("at most 107 bytes"));
}
