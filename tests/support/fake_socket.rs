//! A control socket with a stand-in for BIRD behind it, whose manners a test sets.
//!
//! Each connection is served by a thread with the manners of the moment it came. What is asked is written down. A
//! connection that takes the configuration remembers the prefix files as they are at that moment: what "BIRD" exports.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Lab, prefixes, wait_until};

const GREETING: &str = "0001 BIRD 2.0.12 ready.\n";

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Greets, reads the command, answers this, and takes the configuration.
    Takes(&'static str),
    /// The same, byte by byte.
    TakesSlowly(&'static str),
    /// Greets, reads the command, answers this, and takes nothing.
    Refuses(&'static str),
    /// Sends this instead of a greeting, and stays.
    Sends(&'static str),
    /// Sends bytes without a line end until nobody listens.
    Floods,
    /// Sends complete lines that end no reply, until nobody listens.
    Babbles,
    /// Closes at once.
    Closes,
    /// Greets, reads the command, and closes.
    HangsUp,
    /// Accepts and never says a word.
    Silent,
}

#[derive(Default)]
struct Shared {
    manner: Mutex<Option<Manner>>,
    commands: Mutex<Vec<String>>,
    loaded: Mutex<[String; 2]>,
    ended: AtomicBool,
}

pub struct FakeSocket {
    path: PathBuf,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

pub const RECONFIGURED: &str =
    "0002-Reading configuration from /etc/bird/bird.conf\n0003 Reconfigured\n";

impl FakeSocket {
    /// Listens on `name` in the lab; takes every configuration until told otherwise.
    pub fn listen(lab: &Lab, name: &str) -> FakeSocket {
        let path = lab.path(name);
        let listener = UnixListener::bind(&path).expect("control socket");
        let shared = Arc::new(Shared::default());
        let (mine, dir) = (shared.clone(), lab.dir().to_path_buf());
        let listener = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if mine.ended.load(Ordering::SeqCst) {
                    return;
                }
                let (shared, dir) = (mine.clone(), dir.clone());
                // It ends with the connection; an error means that the daemon has gone, which is its right.
                std::thread::spawn(move || {
                    let _ = serve(&shared, &dir, stream);
                });
            }
        });
        FakeSocket {
            path,
            shared,
            listener: Some(listener),
        }
    }

    pub fn path(&self) -> String {
        self.path.display().to_string()
    }

    pub fn manner(&self, manner: Manner) {
        *self.shared.manner.lock().expect("manner") = Some(manner);
    }

    /// Everything that was asked.
    pub fn commands(&self) -> Vec<String> {
        self.shared.commands.lock().expect("commands").clone()
    }

    /// What BIRD exports of a family ("4" or "6"), without the dummy.
    pub fn exports(&self, family: &str) -> Vec<String> {
        let loaded = self.shared.loaded.lock().expect("loaded");
        prefixes::announced(&loaded[usize::from(family == "6")])
    }

    #[track_caller]
    pub fn wait_exports(&self, family: &str, wanted: &[&str]) -> Duration {
        wait_until(&format!("BIRD exports {wanted:?}"), || {
            self.exports(family) == wanted
        })
    }
}

impl Drop for FakeSocket {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        let woken = UnixStream::connect(&self.path).is_ok();
        if let Some(listener) = self.listener.take().filter(|_| woken) {
            let _ = listener.join();
        }
    }
}

fn serve(shared: &Shared, dir: &std::path::Path, stream: UnixStream) -> std::io::Result<()> {
    let manner = *shared.manner.lock().expect("manner");
    let mut out = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let mut ask = |out: &mut UnixStream| -> std::io::Result<()> {
        out.write_all(GREETING.as_bytes())?;
        let mut command = String::new();
        reader.read_line(&mut command)?;
        let mut commands = shared.commands.lock().expect("commands");
        commands.push(command.trim_end().to_string());
        Ok(())
    };
    let take = || {
        let text = |family: &str| {
            std::fs::read_to_string(dir.join(family).join("prefixes.conf")).unwrap_or_default()
        };
        *shared.loaded.lock().expect("loaded") = [text("4"), text("6")];
    };
    match manner.unwrap_or(Manner::Takes(RECONFIGURED)) {
        Manner::Takes(answer) => {
            ask(&mut out)?;
            take();
            out.write_all(answer.as_bytes())
        }
        Manner::TakesSlowly(answer) => {
            ask(&mut out)?;
            take();
            for byte in answer.bytes() {
                out.write_all(&[byte])?;
                std::thread::sleep(Duration::from_micros(300));
            }
            Ok(())
        }
        Manner::Refuses(answer) => {
            ask(&mut out)?;
            out.write_all(answer.as_bytes())
        }
        Manner::Sends(text) => {
            out.write_all(text.as_bytes())?;
            wait_for_the_end(reader)
        }
        Manner::Floods => loop {
            out.write_all(&[b'x'; 4096])?;
        },
        Manner::Babbles => loop {
            out.write_all(b"0002-Reading configuration\n")?;
        },
        Manner::Closes => Ok(()),
        Manner::HangsUp => ask(&mut out),
        Manner::Silent => wait_for_the_end(reader),
    }
}

/// Holds the connection until the other side closes it.
fn wait_for_the_end(mut reader: BufReader<UnixStream>) -> std::io::Result<()> {
    std::io::copy(&mut reader, &mut std::io::sink()).map(drop)
}
