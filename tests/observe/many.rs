//! What is told of twenty thousand services has its share of the daemon's time, and no more.

use std::fmt::Write;
use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::daemon::{Daemon, PROGRAM, Said, finish, time};
use crate::support::fake_bird::FakeBird;
use crate::support::tools::python;
use crate::support::{Lab, sys, wait_until};

const SERVICES: usize = 20_000;

/// A lab with twenty thousand services that are announced without a check, and one with a check ten times a second.
fn crowd(name: &str) -> Lab {
    let lab = Lab::new(name);
    FakeBird::install(&lab);
    std::fs::create_dir(lab.path("metrics")).expect("mkdir");
    let directory = lab.path("metrics").display().to_string();
    lab.daemon(&[
        ("loglevel", "debug"),
        ("prometheus_exporter", "true"),
        ("prometheus_collector_textfile_dir", &directory),
        ("prometheus_exporter_interval", "1"),
    ]);
    lab.service(
        "steady",
        &[
            ("ip_prefix", "10.1.0.1/32"),
            ("check_cmd", "/bin/true"),
            ("check_interval", "0.1"),
            ("check_timeout", "5"),
        ],
    );
    write_services(&lab, SERVICES);
    lab
}

fn write_services(lab: &Lab, count: usize) {
    let mut text = String::new();
    for number in 0..count {
        write!(
            text,
            "[service-number-{number}.example.com]\nip_prefix = 10.60.{}.{}/32\ncheck_cmd = /bin/true\n\
             check_disabled = true\non_disabled = advertise\n",
            number / 250,
            number % 250
        )
        .expect("text");
    }
    lab.write("services/many.conf", &text);
}

fn connect(name: &SocketAddr) -> std::io::Result<UnixStream> {
    let stream = UnixStream::connect_addr(name)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

/// What the daemon itself has spent, its children not included.
fn cpu_ms(daemon: &Daemon) -> u64 {
    let path = format!("/proc/{}/schedstat", daemon.pid());
    let text = std::fs::read_to_string(path).expect("schedstat");
    let nanos: u64 = (text.split(' ').next())
        .and_then(|word| word.parse().ok())
        .expect("a number");
    nanos / 1_000_000
}

#[test]
fn clients_that_ask_all_the_time_delay_no_check() {
    let lab = crowd("crowd");
    let mut daemon = Daemon::start(&lab);
    wait_until("all announced", || lab.announced("4").len() == SERVICES + 1);
    let name = SocketAddr::from_abstract_name("anycast-healthchecker.status").expect("address");
    let (stop, answers) = (
        Arc::new(AtomicBool::new(false)),
        Arc::<AtomicUsize>::default(),
    );
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let (name, stop, answers) = (name.clone(), stop.clone(), answers.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let mut document = Vec::new();
                    let mut stream = connect(&name).expect("the status socket");
                    stream.read_to_end(&mut document).expect("a document");
                    assert!(document.len() > SERVICES * 400 && document.ends_with(b"]}\n"));
                    answers.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let watch = sys::Watch::new(&lab.path("metrics")).expect("inotify");
    let (from, begin, mut written) = (cpu_ms(&daemon), Instant::now(), 0);
    wait_until("a while", || {
        written += watch.replacements("anycast_healthchecker.prom");
        begin.elapsed() > Duration::from_secs(5)
            && answers.load(Ordering::SeqCst) >= 6
            && written >= 2
    });
    let (cpu, span) = (cpu_ms(&daemon) - from, begin.elapsed().as_millis() as u64);
    stop.store(true, Ordering::SeqCst);
    clients
        .into_iter()
        .for_each(|client| client.join().expect("a client"));
    // A quarter for documents, a tenth for metrics, and the checks.
    assert!(cpu * 2 < span, "{cpu} ms of {span}");
    let history = daemon.history("steady");
    assert!(!history.contains(&Said::Fail), "a false failure");
    let (took, ()) = time(|| daemon.stop());
    let text = lab.read("metrics/anycast_healthchecker.prom");
    let announced = text
        .matches("\nanycast_healthchecker_prefix_advertised{")
        .count();
    assert_eq!(announced, SERVICES + 1);
    if text.contains("\nanycast_healthchecker_state 0.0\n") {
        assert_eq!(lab.list("metrics"), ["anycast_healthchecker.prom"]);
    } else {
        // On a busy machine the end does not wait for the last one.
        assert!(took >= Duration::from_millis(300), "ended after {took:?}");
    }
}

#[test]
fn a_reload_in_the_midst_of_an_answer_gives_another_one() {
    let lab = crowd("crowd-reload");
    let mut daemon = Daemon::start(&lab);
    wait_until("all announced", || lab.announced("4").len() == SERVICES + 1);
    let name = SocketAddr::from_abstract_name("anycast-healthchecker.status").expect("address");
    // It has begun, and is not read.
    let mut slow = connect(&name).expect("the status socket");
    let mut begin = [0; 1];
    slow.read_exact(&mut begin).expect("the first byte");
    write_services(&lab, 10_000);
    daemon.signal(libc::SIGHUP);
    wait_until("the others are withdrawn", || {
        lab.announced("4").len() == 10_001
    });
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).expect("the end");
    assert!(!rest.ends_with(b"]}\n"), "it mixes two configurations");
    let mut command = lab.command(PROGRAM);
    command.args(["-s", "--json"]);
    let output = finish(command);
    let code = "import json, sys\n\
        document = json.load(sys.stdin)\n\
        print(len(document['services']), document['summary']['services'])";
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(python(code, &text).trim(), "10001 10001");
    let mut command = lab.command(PROGRAM);
    command.args(["-s", "--summary", "--json"]);
    let head = String::from_utf8(finish(command).stdout).expect("text");
    assert_eq!(python(code, &head).trim(), "0 10001");
    let mut command = lab.command(PROGRAM);
    command.args(["-s", "steady", "service-number-7.example.com", "nobody"]);
    let output = finish(command);
    assert_eq!(output.status.code(), Some(1), "one of them is not there");
    let table = String::from_utf8(output.stdout).expect("text");
    assert!(table.contains("steady") && table.contains("service-number-7.example.com"));
    assert_eq!(table.matches("service-number").count(), 1, "{table}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("has no service nobody"));
    daemon.stop();
}
