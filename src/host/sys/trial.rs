//! Children of a one-shot mode that must not outlive it: they lead process groups of their own, so a Ctrl-C
//! at the terminal does not reach them.
//!
//! [`watch_over`] installs handlers that kill the group of every child in a table and then let the signal do
//! what it does by default. Handlers and not a blocked mask: exec resets the former, children inherit the
//! latter. A handler only uses atomics, kill(2) and what else signal-safety(7) allows.
//!
//! No child is forgotten between its start and its entry: whoever starts one is counted in [`BUSY`], and the
//! last one to leave does the dying if a signal has come meanwhile. Left out on purpose: SIGKILL, after which
//! nobody can clean up, and the instant in which a child has been reaped and its entry still stands, since a
//! pid is not used again so soon.
#![allow(unsafe_code)]

use std::io;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::thread;

use super::{cvt, signal};

/// Children at a time; each has a place in the table.
pub const PLACES: usize = 256;

/// Pids of leaders, 0 where there is none.
static LEADERS: [AtomicI32; PLACES] = [const { AtomicI32::new(0) }; PLACES];

/// How many threads are starting a child or handling a signal.
static BUSY: AtomicI32 = AtomicI32::new(0);

/// The signal that is to end the process; 0: none has come.
static ENDING: AtomicI32 = AtomicI32::new(0);

/// The signals that end a program from outside.
const ENDS: [libc::c_int; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// From now on a signal that ends this process ends its children first.
///
/// What was ignored when the program was started (nohup, a background job of a shell) goes on having no
/// effect, by a handler that does nothing: unlike an ignored signal, that is reset in the children, as the
/// daemon's are.
pub fn watch_over() -> io::Result<()> {
    let ignored = signal::ignored();
    for &signal in &ignored {
        // A real-time signal or one of libc's own that can't be changed stays as it is.
        let _ = handle(signal, pass, 0);
    }
    for signal in ENDS {
        if !ignored.contains(&signal) {
            // A second signal of that kind ends the process at once, whatever the first one waits for.
            handle(signal, end, libc::SA_RESETHAND)?;
        }
    }
    Ok(())
}

fn handle(
    signal: libc::c_int,
    handler: extern "C" fn(libc::c_int),
    flags: libc::c_int,
) -> io::Result<()> {
    // SAFETY: zeroes are a valid sigaction: the default handler, an empty mask, no flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as libc::sighandler_t;
    action.sa_flags = flags | libc::SA_RESTART;
    // SAFETY: `action` is valid, its handler takes one integer and is safe in a handler; the old one is not
    // asked for.
    cvt(unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) })?;
    Ok(())
}

extern "C" fn pass(_: libc::c_int) {}

extern "C" fn end(signal: libc::c_int) {
    BUSY.fetch_add(1, SeqCst);
    ENDING.store(signal, SeqCst);
    leave();
}

/// Ends a piece of work that was counted in [`BUSY`].
fn leave() {
    if ENDING.load(SeqCst) != 0 {
        for place in &LEADERS {
            kill(place.load(SeqCst));
        }
    }
    let last = BUSY.fetch_sub(1, SeqCst) == 1;
    // Looked at again: it may have come since, and then its handler has left the rest to us.
    let signal = ENDING.load(SeqCst);
    if last && signal != 0 {
        die(signal);
    }
}

fn kill(leader: i32) {
    if leader > 0 {
        // SAFETY: plain integers. The number is above 0, so this is never "every process".
        unsafe { libc::kill(-leader, libc::SIGKILL) };
        // SAFETY: plain integers. The leader may have moved to another group.
        unsafe { libc::kill(leader, libc::SIGKILL) };
    }
}

/// Ends this process as the signal would have.
fn die(signal: libc::c_int) {
    // SAFETY: plain integers; SIG_DFL is a valid handler.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    let set = signal::set_of(&[signal]);
    // SAFETY: the set is initialised, the old mask is not asked for. In its own handler the signal is
    // blocked.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut()) };
    // SAFETY: a plain integer.
    unsafe { libc::raise(signal) };
    // Only process 1 of a container gets here: for it there is no default.
    // SAFETY: a plain integer; nothing is run on the way out.
    unsafe { libc::_exit(128 + signal) };
}

/// A started child and its place in the table, which it leaves when this is dropped.
pub struct Watched {
    pub child: Child,
    place: usize,
}

impl Watched {
    /// Starts a command whose group is killed if a signal ends this process. `place`, below [`PLACES`], is
    /// the caller's alone.
    pub fn start(command: &mut Command, place: usize) -> io::Result<Watched> {
        BUSY.fetch_add(1, SeqCst);
        if ENDING.load(SeqCst) != 0 {
            leave();
            // Nothing is started any more, and nobody needs an answer.
            loop {
                thread::park();
            }
        }
        let started = command.spawn().map(|child| {
            // A pid is a positive pid_t, so nothing is lost.
            LEADERS[place].store(child.id() as i32, SeqCst);
            Watched { child, place }
        });
        leave();
        started
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        LEADERS[self.place].store(0, SeqCst);
    }
}
