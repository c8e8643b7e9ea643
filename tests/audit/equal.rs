//! Compares programs with themselves.

use std::fs;

use super::*;
use crate::common::Impl;

#[test]
fn the_programs_are_the_same_on_all_outputs() {
    let c = Impl::C.path("fork");
    let c = c.parent().unwrap().to_str().unwrap();
    let out = assert_same(&["--c", c, "fork", "zombie", "wait", "echo_mpserv"]);
    assert_eq!(out.lines().filter(|line| line.ends_with("  same")).count(), 4);
}

#[test]
fn a_run_is_the_same_as_itself() {
    for command in ["/bin/true", "sh -c 'ls /; id; true'", "sh -c 'ls / | wc -l & wait; exit 3'"] {
        for from in ["main", "execve"] {
            assert_same(&["--a", command, "--b", command, "--from", from]);
        }
    }
}

#[test]
fn addresses_are_not_random() {
    let is_permitted = std::thread::spawn(mpserv::process::fix_addresses).join().unwrap().is_ok();
    // 0x40000 is ADDR_NO_RANDOMIZE, a flag of personality(2).
    let prints = "cat /proc/self/personality";
    let out = assert_same(&["--a", prints, "--b", prints, "--stdout", "pipe", "--output"]);
    assert!(out.contains("0040000") || !is_permitted, "{out}");
}

#[test]
fn two_shells_are_not_the_same() {
    assert_verdict(&["--a", "dash -c :", "--b", "bash -c :", "--stdout", "pipe"], "different", &[" in "]);
}

#[test]
#[ignore = "needs python3 and nginx-light"]
fn a_program_with_children_is_the_same_as_itself() {
    let python = "/usr/bin/python3 -c 'import os; pid = os.fork() or os._exit(3); print(os.waitpid(pid, 0)[0] == pid)'";
    assert_same(&["--a", python, "--b", python, "--from", "execve"]);
}

#[test]
#[ignore = "needs python3 and nginx-light"]
fn a_server_with_two_workers_is_the_same_as_itself() {
    let folder = TempDir::new();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let port = free_port();
    let configuration = format!(
        "daemon off; worker_processes 2; pid {}; error_log stderr; events {{ worker_connections 8; }}\n\
         http {{ access_log off; client_body_temp_path {}; proxy_temp_path {}; fastcgi_temp_path {}; uwsgi_temp_path {}; \
         scgi_temp_path {}; server {{ listen 127.0.0.1:{port}; }} }}\n",
        path("pid"),
        path("a"),
        path("b"),
        path("c"),
        path("d"),
        path("e"),
    );
    fs::write(path("nginx.conf"), configuration).unwrap();
    let command = format!("/usr/sbin/nginx -e stderr -c {}", path("nginx.conf"));
    let listen = port.to_string();
    // The first run makes the folders that later runs find.
    let warm_up = ["--a", &command, "--b", &command, "--listen", &listen, "--signal", "QUIT", "--stdout", "pipe"];
    assert!(run(&warm_up).status.code() != TROUBLE);
    assert_same(&["--a", &command, "--b", &command, "--listen", &listen, "--signal", "QUIT"]);
}

#[test]
fn a_server_of_ones_own_is_driven_by_any_client() {
    let port = free_port().to_string();
    let server = |of: Impl| format!("{} {port}", of.path("echo_mpserv").display());
    let client = Impl::C.path("echo_mpclient");
    let drive = format!("sh -c 'printf \"hello\\nq\\n\" | {} 127.0.0.1 {port}'", client.display());
    let arguments = ["--listen", &port, "--drive", &drive, "--signal", "INT"];
    let (a, b) = (server(Impl::C), server(Impl::Rust));
    assert_same(&[&["--a", &a, "--b", &b], &arguments[..]].concat());
}
