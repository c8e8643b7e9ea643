//! Tests service folders of s6 under the real `s6-svscan`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::load::load;
use crate::common::network::Network;
use crate::common::solo::Test;
use crate::common::*;
use crate::{PORT, blocks, client, command, tests};

pub(crate) const TESTS: &[Test] = tests![
    s6_knows_when_the_service_is_ready_reloads_and_restarts_it,
    no_client_is_refused_while_s6_restarts_a_service_whose_socket_is_held,
];

/// A scan directory, and the supervisor of the services in it.
struct Scan {
    folder: TempDir,
    scan: PathBuf,
    supervisor: Option<Running>,
}

impl Scan {
    fn new() -> Scan {
        for tool in ["s6-svscan", "s6-svc", "s6-svwait", "s6-log"] {
            needs_command(tool);
        }
        needs_root();
        let folder = TempDir::new();
        let scan = folder.join("scan");
        write_executable(&folder.join("hello"), "#!/bin/sh\nexec cat\n");
        Scan { folder, scan, supervisor: None }
    }

    /// Writes a file `run` of the guide. Beside that file, writes the number of the descriptor for the notice of
    /// readiness.
    fn write_run(&self, service: &str, text: &str, notification: Option<u32>) {
        let folder = self.scan.join(service);
        let hello = self.folder.join("hello");
        let text = text.replace("/usr/local/bin/hello", hello.to_str().unwrap()).replace("-u hello ", "");
        write_executable(&folder.join("run"), &text);
        if let Some(number) = notification {
            fs::write(folder.join("notification-fd"), format!("{number}\n")).unwrap();
        }
    }

    /// Starts the supervisor. The processes of its namespace end with the supervisor.
    fn start(&mut self) {
        let mut unshare = command("unshare");
        unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child", "s6-svscan"]).arg(&self.scan);
        self.supervisor = Some(Running::start(&mut unshare, Output::Pipe));
    }

    /// Waits until s6 knows that a service is ready.
    #[track_caller]
    fn wait_ready(&self, service: &str) {
        let folder = self.scan.join(service);
        // The supervisor of the service may not have started yet.
        wait_until("the service is ready", || {
            let mut wait = command("s6-svwait");
            run(wait.args(["-U", "-t", "5000"]).arg(&folder), Output::Pipe).status.success()
        });
    }

    fn control(&self, order: &str) {
        text_of(command("s6-svc").arg(order).arg(self.scan.join("hello")));
    }

    fn log(&self) -> String {
        fs::read_to_string(self.scan.join("hello/log/main/current")).unwrap_or_default()
    }

    /// Returns the number of lines of an event in the log of the service.
    fn count(&self, event: &str) -> usize {
        self.log().matches(&format!("mpserv: {event} ")).count()
    }
}

fn s6_knows_when_the_service_is_ready_reloads_and_restarts_it() {
    let mut scan = Scan::new();
    let _network = Network::own();
    let recipe = blocks("### s6");
    scan.write_run("hello", &recipe[0], Some(3));
    scan.write_run("hello/log", &recipe[1], None);
    scan.start();
    scan.wait_ready("hello");
    // The test makes no connection before this connection.
    assert_eq!(echo(&mut connect(PORT), b"hello"), b"hello");
    wait_until("the logger has the start", || scan.count("start") == 1);
    scan.control("-h");
    wait_until("the rules are read again", || scan.count("reload") == 1);
    assert_eq!(scan.count("start"), 1);
    // The lines of the log have the time from s6-log, and no time from the server.
    let log = scan.log();
    let is_timed = |line: &str| line.starts_with("20") && line.contains(":") && !line.contains("Z mpserv: ");
    assert!(log.lines().all(is_timed), "{log}");
    scan.control("-r");
    wait_until("it has stopped, and serves again", || scan.count("stopped") == 1 && scan.count("start") == 2);
    scan.wait_ready("hello");
    assert_eq!(echo(&mut client(), b"again"), b"again");
}

fn no_client_is_refused_while_s6_restarts_a_service_whose_socket_is_held() {
    const CLIENTS: u64 = 300;
    const RESTARTS: u64 = 2;
    let mut scan = Scan::new();
    needs_command("s6-fdholder-daemon");
    needs_command("python3");
    let _network = Network::own();
    let recipe = blocks("### s6");
    scan.write_run("fdholder", &recipe[2], Some(1));
    scan.write_run("hello", &recipe[3], Some(4));
    scan.write_run("hello/log", &recipe[1], None);
    scan.start();
    scan.wait_ready("hello");
    let served = AtomicU64::new(0);
    let load = std::thread::scope(|scope| {
        let load = scope.spawn(|| load(PORT, CLIENTS, 2, &served));
        for restart in 1..=RESTARTS {
            let enough = restart * CLIENTS / (RESTARTS + 1);
            wait_until("some clients were served", || served.load(Ordering::Relaxed) >= enough);
            scan.control("-r");
            let before = usize::try_from(restart).unwrap();
            wait_until("it has stopped, and serves again", || {
                scan.count("stopped") == before && scan.count("start") == before + 1
            });
        }
        load.join().unwrap()
    });
    assert_eq!((load.served, load.errors.len()), (CLIENTS, 0), "{load:?}");
    assert!(Path::new(&scan.scan).join("fdholder/s").exists());
}
