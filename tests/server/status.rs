//! `--status`, `--watch` and the title of the process.

use std::fs;
use std::process::{Command, Stdio};

use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] =
    tests![the_status_is_shown_as_a_table_and_in_the_title, there_is_no_status_of_what_is_no_server,];

fn title(pid: u32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    text.trim_end_matches('\0').to_owned()
}

fn the_status_is_shown_as_a_table_and_in_the_title() {
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    let pidfile = pidfile.to_str().unwrap();
    for (mode, idle, limit) in [(&[][..], 0, 7), (&["--prefork", "3"], 1, 3)] {
        let server = Served::start(&[mode, &["-c", "7", "--pidfile", pidfile, "127.0.0.1:0"]].concat());
        wait_until("the title is there", || title(server.pid()) == format!("mpserv: 0/{limit} children"));
        let all = server.clients(2);
        wait_until("the title has both", || {
            title(server.pid()) == format!("mpserv: 2/{limit} children") || {
                // A pool's parent looks when it is woken.
                server.running.signal(Signal::USR1);
                false
            }
        });
        let first = format!("mpserv {}: 2 of {limit} serving, {idle} idle, 2 accepted, 0 refused, up ", server.pid());
        // A new child is not idle at once.
        let shown = wait_for("it is shown as it is", || {
            let shown = run_mpserv(&["--status", pidfile]);
            assert_eq!(shown.status.code(), Some(0), "{}", shown.stderr);
            shown.stdout.starts_with(&first).then_some(shown.stdout)
        });
        let lines: Vec<&str> = shown.lines().collect();
        let serving: Vec<&&str> = lines.iter().filter(|line| line.contains(" serving ")).collect();
        assert_eq!(lines.len(), 4 + idle, "{shown}");
        assert_eq!(serving.len(), 2, "{shown}");
        for client in &all {
            let address = client.local_addr().unwrap().to_string();
            assert!(lines.iter().any(|line| line.ends_with(&address)), "{address}: {shown}");
        }
        // Every second, until the server is gone.
        let mut command = Command::new(MPSERV);
        let watch = Running::start(command.args(["--status", pidfile, "--watch"]).stdin(Stdio::null()), Output::Pipe);
        wait_until("it was shown twice", || watch.stdout_so_far().matches("mpserv ").count() >= 2);
        drop(all);
        server.stop();
        assert_eq!(watch.wait().status.code(), Some(0));
    }
}

fn there_is_no_status_of_what_is_no_server() {
    let folder = TempDir::new();
    let pidfile = folder.join("pid");
    for (text, told) in [
        ("", "Invalid argument"),
        ("no number\n", "Invalid argument"),
        ("999999999\n", "it has ended"),
        (&format!("{}\n", std::process::id()), "this is no mpserv that serves"),
    ] {
        fs::write(&pidfile, text).unwrap();
        let ended = run_mpserv(&["--status", pidfile.to_str().unwrap()]);
        assert_eq!(ended.status.code(), Some(111), "{text}");
        assert!(ended.stderr.contains(told) && ended.stderr.lines().count() == 1, "{text}: {}", ended.stderr);
    }
    let ended = run_mpserv(&["--status", "/no/such/file"]);
    assert!(ended.stderr.contains("No such file"), "{}", ended.stderr);
}
